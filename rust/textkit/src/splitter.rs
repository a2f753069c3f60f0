//! How text is split into words before byte-level BPE, found out from a vocabulary.

use serde_json::{json, Value};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// A longer token is never the result of joins: what makes joins takes the square of the length.
pub const MAX_JOINED: usize = 256;

pub struct Splitter {
    pub rules: Value,
    pub normalizer: Value,
    pub ignore_merges: bool, // a word of the vocabulary is taken whole
}

/// The ways to split text into words of SmolLM2, GPT-2, Qwen2 and Llama 3, the finest first. Their
/// sources are the tokenizer.json files of these models.
fn splitters() -> Vec<Splitter> {
    let byte_level = |use_regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
               "use_regex": use_regex})
    };
    let pattern = |digits: &str| {
        let words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+";
        let others = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let regex = format!("{words}|{digits}|{others}");
        let split = json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated",
                           "invert": false});
        json!({"type": "Sequence", "pretokenizers": [split, byte_level(false)]})
    };
    let digits = json!({"type": "Digits", "individual_digits": true});
    let smollm = json!({"type": "Sequence", "pretokenizers": [digits, byte_level(true)]});
    let splitter = |rules, normalizer, ignore_merges| Splitter {
        rules,
        normalizer,
        ignore_merges,
    };
    vec![
        splitter(smollm, Value::Null, false),
        splitter(byte_level(true), Value::Null, false),
        splitter(pattern(r"\p{N}"), json!({"type": "NFC"}), false),
        splitter(pattern(r"\p{N}{1,3}"), Value::Null, true),
    ]
}

/// The finest way that keeps the tokens whole: none was ever made across the border of a word.
/// Only ASCII is looked at, since Qwen's vocabulary was not made by the way that its text is split
/// where letters have marks; a handful of exceptions is let pass, for tokens that were put in later.
pub fn find_splitter(mut words: Vec<&str>) -> Result<Splitter, String> {
    const SAMPLE: usize = 4096;
    const EXCEPTIONS: usize = 1000; // one in so many
    words.retain(|word| word.is_ascii() && word.len() <= MAX_JOINED);
    words.sort_unstable(); // the caller's order may be that of a hash
    let step = words.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<&str> = words.into_iter().step_by(step).collect();
    for splitter in splitters() {
        let rules: tokenizers::PreTokenizerWrapper =
            serde_json::from_value(splitter.rules.clone()).map_err(|e| e.to_string())?;
        let is_cut = |word: &&&str| {
            let mut text = PreTokenizedString::from(**word);
            let split = rules.pre_tokenize(&mut text);
            split.is_err()
                || text
                    .get_splits(OffsetReferential::Original, OffsetType::Byte)
                    .len()
                    > 1
        };
        if sample.iter().filter(is_cut).count() <= sample.len() / EXCEPTIONS {
            return Ok(splitter);
        }
    }
    Err(
        "its vocabulary fits none of the ways to split text that axollama knows: SmolLM2's, \
         GPT-2's, Qwen2's and Llama 3's"
            .into(),
    )
}
