//! AXERA's text form of a tokenizer, as the tokenizer.json that the tokenizers crate reads.
//!
//! The form (docs/decisions/vendor-tokenizer.md): "430 TYPE", a line with the numbers of
//! special, stop and prefix ids, a line with those ids, then the vocabulary by id. It leaves out
//! how text is split into words and whether a space is put before it, so both are found out from
//! the vocabulary; a vocabulary that fits no known way is refused.

use std::collections::HashMap;

use serde_json::{json, Value};

use crate::hf_form::{bpe, Marks, Vocabulary};
use crate::splitter::{find_splitter, MAX_JOINED};
use crate::tokenizer::{byte_letters, MAX_ID};
use crate::vendor_lines::{decode_base64, Lines};

const SENTENCEPIECE: u32 = 0;
const TIKTOKEN: u32 = 1;
const BERT: u32 = 2;
const HUGGINGFACE: u32 = 3;

/// Of the whole file: Gemma's 262,144 pieces take 8 MB.
const MAX_FILE: usize = 64 << 20;

pub fn is_vendor(file: &[u8]) -> bool {
    file.starts_with(b"430 ")
}

/// The JSON of the same tokenizer.
pub fn to_json(file: &[u8]) -> Result<Vec<u8>, String> {
    if file.len() > MAX_FILE {
        return Err(format!(
            "{} bytes are too many for a tokenizer in AXERA's form",
            file.len()
        ));
    }
    let text = std::str::from_utf8(file)
        .map_err(|e| format!("the file is no UTF-8 at byte {}", e.valid_up_to()))?;
    let mut lines = Lines::new(text);
    let kind: u32 = lines.numbers(2, "the kind")?[1];
    let counts = lines.numbers(3, "the numbers of ids")?;
    let total = counts.iter().try_fold(0u32, |sum, c| sum.checked_add(*c));
    let total = total
        .filter(|t| *t <= 4 * MAX_ID)
        .ok_or("line 2 asks for too many ids")?;
    let ids = lines.numbers(total as usize, "the ids that line 2 counts")?;
    let (special, rest) = ids.split_at(counts[0] as usize);
    let (stop, prefix) = rest.split_at(counts[1] as usize);
    let marks = Marks {
        special: special.iter().copied().collect(),
        hidden: stop.iter().chain(prefix).copied().collect(),
        prefix,
    };
    let whole = match kind {
        SENTENCEPIECE => pieces(&mut lines, &marks)?,
        TIKTOKEN => ranks(&mut lines, &marks)?,
        BERT => word_pieces(&mut lines, &marks)?,
        HUGGINGFACE => merges(&mut lines, &marks)?,
        other => return Err(format!("type {other} is not known: types 0 to 3 are")),
    };
    serde_json::to_vec(&whole).map_err(|e| e.to_string())
}

/// Type 0: "base64 score kind" a line, a space written as itself.
fn pieces(lines: &mut Lines, marks: &Marks) -> Result<Value, String> {
    const NORMAL: u32 = 1;
    const UNKNOWN: u32 = 2;
    const CONTROL: u32 = 3;
    let count = lines.count()?;
    let (mut texts, mut scores, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..count {
        // The converter counts one token too many for Gemma: the image's, which text has no use for.
        if id + 1 == count && lines.at_end() {
            break;
        }
        let line = lines.next()?;
        let mut fields = line.rsplitn(3, ' ');
        let kind: Option<u32> = fields.next().and_then(|f| f.parse().ok());
        let score: Option<f64> = fields.next().and_then(|f| f.parse().ok());
        let text = decode_base64(fields.next().unwrap_or_default());
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        match (text, score.filter(|s| !s.is_nan()), kind) {
            (Some(text), Some(score), Some(kind)) => {
                texts.push(text);
                scores.push(score);
                kinds.push(kind);
            }
            _ => return lines.wrong("a piece, its score and its kind"),
        }
    }
    let is_added = |id: usize| {
        marks.special.contains(&(id as u32)) || kinds[id] == UNKNOWN || kinds[id] == CONTROL
    };
    let with_id = |id: usize| (id as u32, texts[id].clone());
    let mut vocabulary = Vocabulary::new(
        (0..texts.len())
            .filter(|id| is_added(*id))
            .map(with_id)
            .collect(),
    );
    let written: Vec<String> = texts.iter().map(|t| t.replace(' ', "\u{2581}")).collect();
    let mut normal = HashMap::new();
    for (id, text) in written.iter().enumerate() {
        if is_added(id) {
            continue;
        }
        vocabulary.add(text.clone(), id);
        if kinds[id] == NORMAL && !text.is_empty() {
            normal.entry(text.as_str()).or_insert(id);
        }
    }
    let merges = merges_of_pieces(&normal, &scores);
    let unknown = kinds
        .iter()
        .position(|k| *k == UNKNOWN)
        .map(|id| texts[id].clone());
    // Llama 2 and its kin, whose texts begin with the control piece <s>, put a space before every
    // text; Gemma, whose <s> is a word of HTML, does not.
    let prefixed = (0..texts.len()).any(|id| kinds[id] == CONTROL && texts[id] == "<s>");
    let space = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    let normalizer = if prefixed {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        json!({"type": "Sequence",
               "normalizers": [{"type": "Prepend", "prepend": "\u{2581}"}, space]})
    } else {
        space
    };
    let decoder = json!({"type": "Sequence", "decoders": decoders});
    vocabulary.finish(marks, normalizer, Value::Null, decoder, |entries| {
        bpe(entries, merges, true, unknown, false)
    })
}

/// SentencePiece joins the neighbours whose joined piece has the best score. Hugging Face's form
/// wants that as pairs, the best first: every way to cut a piece into two others, by the score of
/// the whole; equal ones longest left part first, as transformers' conversion sorts them.
fn merges_of_pieces(normal: &HashMap<&str, usize>, scores: &[f64]) -> Vec<[String; 2]> {
    let mut whole: Vec<(&str, usize)> = normal.iter().map(|(text, id)| (*text, *id)).collect();
    whole.sort_unstable_by_key(|(_, id)| *id);
    let mut found = Vec::new();
    for (text, id) in whole
        .into_iter()
        .filter(|(text, _)| text.len() <= MAX_JOINED)
    {
        let mut cuts = Vec::new();
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            if let (Some(l), Some(r)) = (normal.get(left), normal.get(right)) {
                cuts.push((*l, *r, left, right));
            }
        }
        cuts.sort_unstable_by_key(|(l, r, _, _)| (*l, *r));
        found.extend(
            cuts.into_iter()
                .map(|(_, _, left, right)| (scores[id], left, right)),
        );
    }
    let letters = |text: &str| text.chars().count();
    found.sort_by(|a, b| {
        (b.0.total_cmp(&a.0))
            .then_with(|| letters(b.1).cmp(&letters(a.1)))
            .then_with(|| letters(b.2).cmp(&letters(a.2)))
    });
    found
        .into_iter()
        .map(|(_, left, right)| [left.to_string(), right.to_string()])
        .collect()
}

/// Type 1: base64 of the bytes a line, the pair of the lowest id is joined first.
fn ranks(lines: &mut Lines, marks: &Marks) -> Result<Value, String> {
    let count = lines.count()?;
    let tokens = (0..count)
        .map(|_| lines.base64())
        .collect::<Result<Vec<_>, _>>()?;
    let special = |id: usize| marks.special.contains(&(id as u32));
    let ids: HashMap<&[u8], usize> = (0..count)
        .rev() // the first of equal ones stays
        .filter(|id| !special(*id))
        .map(|id| (tokens[id].as_slice(), id))
        .collect();
    if ids.contains_key("\u{2581}".as_bytes()) && !ids.contains_key(b" ".as_slice()) {
        return Err(
            "a type 1 file of SentencePiece's pieces, which lacks their scores, is not \
                    known to axollama"
                .into(),
        );
    }
    let letters = byte_letters();
    let spell = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|b| letters[*b as usize])
            .collect::<String>()
    };
    let mut merges = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        if token.len() <= MAX_JOINED && ids.get(token.as_slice()) == Some(&id) {
            if let Some(at) = last_join(token, id, &ids) {
                merges.push([spell(&token[..at]), spell(&token[at..])]);
            }
        }
    }
    let texts = (0..count).filter(|id| special(*id)).filter_map(|id| {
        String::from_utf8(tokens[id].clone())
            .ok()
            .map(|text| (id as u32, text))
    });
    let mut vocabulary = Vocabulary::new(texts.collect());
    for (id, token) in tokens.iter().enumerate().filter(|(id, _)| !special(*id)) {
        vocabulary.add(spell(token), id);
    }
    let words = ids
        .keys()
        .filter_map(|bytes| std::str::from_utf8(bytes).ok());
    byte_level(vocabulary, merges, words.collect(), marks)
}

/// Where the last join of `token` happens when its bytes are joined by ids lower than its own; None
/// when they do not come down to two parts.
fn last_join(token: &[u8], id: usize, ids: &HashMap<&[u8], usize>) -> Option<usize> {
    let mut ends: Vec<usize> = (0..=token.len()).collect(); // the borders of the parts
    while ends.len() > 3 {
        let joined = |i: usize| {
            ids.get(&token[ends[i]..ends[i + 2]])
                .copied()
                .filter(|found| *found < id)
        };
        let best = (0..ends.len() - 2)
            .filter_map(|i| joined(i).map(|rank| (rank, i)))
            .min()?;
        ends.remove(best.1 + 1);
    }
    (ends.len() == 3).then(|| ends[1])
}

/// Type 3: the vocabulary in GPT-2's letters, then merges.txt.
fn merges(lines: &mut Lines, marks: &Marks) -> Result<Value, String> {
    let counts = lines.numbers(2, "the sizes of the vocabulary and of the merges")?;
    let count = lines.check(counts[0])?;
    let tokens = (0..count)
        .map(|_| lines.next())
        .collect::<Result<Vec<_>, _>>()?;
    let special = |id: &usize| marks.special.contains(&(*id as u32));
    let texts = (0..count)
        .filter(special)
        .map(|id| (id as u32, tokens[id].to_string()));
    let mut vocabulary = Vocabulary::new(texts.collect());
    for id in (0..count).filter(|id| !special(id)) {
        vocabulary.add(tokens[id].to_string(), id);
    }
    let letters = byte_letters();
    if !vocabulary
        .entries
        .contains_key(&letters[b' ' as usize].to_string())
    {
        return Err("a type 3 file that is no byte-level BPE is not known to axollama".into());
    }
    let mut merges = Vec::new();
    for _ in 0..counts[1] {
        let line = lines.next()?;
        match line.split_once(' ') {
            _ if line.is_empty() || line.starts_with("#version") => {}
            Some((left, right)) => merges.push([left.to_string(), right.to_string()]),
            None => return lines.wrong("a merge"),
        }
    }
    let bytes: HashMap<char, u8> = (0..=255).map(|b| (letters[b as usize], b)).collect();
    let words = (0..count).filter(|id| !special(id)).filter_map(|id| {
        let bytes: Option<Vec<u8>> = tokens[id].chars().map(|c| bytes.get(&c).copied()).collect();
        bytes.and_then(|bytes| String::from_utf8(bytes).ok())
    });
    let words: Vec<String> = words.collect();
    byte_level(
        vocabulary,
        merges,
        words.iter().map(String::as_str).collect(),
        marks,
    )
}

fn byte_level(
    vocabulary: Vocabulary,
    merges: Vec<[String; 2]>,
    words: Vec<&str>,
    marks: &Marks,
) -> Result<Value, String> {
    let splitter = find_splitter(words)?;
    let decoder = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                         "use_regex": true});
    vocabulary.finish(
        marks,
        splitter.normalizer,
        splitter.rules,
        decoder,
        |entries| bpe(entries, merges, false, None, splitter.ignore_merges),
    )
}

/// Type 2: base64 a line, WordPiece. Whether text is put into lower case shows in the vocabulary.
fn word_pieces(lines: &mut Lines, marks: &Marks) -> Result<Value, String> {
    let count = lines.count()?;
    let mut texts = Vec::new();
    for _ in 0..count {
        match String::from_utf8(lines.base64()?) {
            Ok(text) => texts.push(text),
            Err(_) => return lines.wrong("a word"),
        }
    }
    let special = |id: &usize| marks.special.contains(&(*id as u32));
    let mut vocabulary = Vocabulary::new(
        (0..count)
            .filter(special)
            .map(|id| (id as u32, texts[id].clone()))
            .collect(),
    );
    let mut lower = true;
    for id in (0..count).filter(|id| !special(id)) {
        lower &=
            texts[id].starts_with('[') || !texts[id].contains(|c: char| c.is_ascii_uppercase());
        vocabulary.add(texts[id].clone(), id);
    }
    if !vocabulary.entries.contains_key("[UNK]") {
        return Err("a type 2 file without the token [UNK] is not known to axollama".into());
    }
    let normalizer = json!({"type": "BertNormalizer", "clean_text": true,
                            "handle_chinese_chars": true, "strip_accents": null,
                            "lowercase": lower});
    let decoder = json!({"type": "WordPiece", "prefix": "##", "cleanup": false});
    vocabulary.finish(
        marks,
        normalizer,
        json!({"type": "BertPreTokenizer"}),
        decoder,
        |entries| {
            json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
               "max_input_chars_per_word": 100, "vocab": entries})
        },
    )
}
