//! Text to ids with the `tokenizers` crate, and a compact table of the bytes behind each id.

use serde_json::Value;
use tokenizers::{
    AddedVocabulary, Model, OffsetType, PaddingParams, PreTokenizer, TruncationParams,
};

use crate::vendor;

/// The largest vocabularies in use have about 2^18 tokens; an id far above is a broken file, and
/// tables are sized by the highest id.
pub const MAX_ID: u32 = (1 << 22) - 1;

pub const TOKEN_EXISTS: u8 = 1;
pub const TOKEN_SPECIAL: u8 = 2;

pub struct Vocab {
    pub offsets: Vec<u32>,
    pub bytes: Vec<u8>,
    pub flags: Vec<u8>,
    pub strip_leading_space: bool,
}

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The same added tokens, but special ones are not looked for in the text.
    plain: AddedVocabulary,
    vocab: Vocab,
}

impl Tokenizer {
    /// From a tokenizer.json, or AXERA's text form.
    pub fn from_file(file: &[u8]) -> Result<Self, String> {
        let from_vendor = if vendor::is_vendor(file) {
            Some(vendor::to_json(file)?)
        } else {
            None
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(from_vendor.as_deref().unwrap_or(file))
            .map_err(|e| format!("not a tokenizer: {e}"))?;
        // Published files carry these from training; here they would cut or pad prompts silently.
        inner
            .with_truncation(None::<TruncationParams>)
            .map_err(|e| e.to_string())?;
        inner.with_padding(None::<PaddingParams>);
        let vocab = Vocab::new(&inner)?;
        let mut plain = inner.get_added_vocabulary().clone();
        plain.set_encode_special_tokens(true);
        Ok(Tokenizer {
            inner,
            plain,
            vocab,
        })
    }

    pub fn encode(&self, text: &str, add_special: bool, special: bool) -> Result<Vec<u32>, String> {
        let run = || -> tokenizers::Result<Vec<u32>> {
            let t = &self.inner;
            // Tokenizer::encode_fast, except that the added tokens are chosen per call.
            let added = if special {
                t.get_added_vocabulary()
            } else {
                &self.plain
            };
            let mut pieces = added.extract_and_normalize(t.get_normalizer(), text);
            if let Some(p) = t.get_pre_tokenizer() {
                p.pre_tokenize(&mut pieces)?;
            }
            t.get_model().tokenize_in_pretokenized(&mut pieces, None)?;
            let encoding = pieces.into_encoding(None, 0, OffsetType::None)?;
            Ok(t.post_process(encoding, None, add_special)?
                .get_ids()
                .to_vec())
        };
        run().map_err(|e| format!("the tokenizer cannot encode this text: {e}"))
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token).filter(|id| *id <= MAX_ID)
    }

    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }
}

impl Vocab {
    fn new(t: &tokenizers::Tokenizer) -> Result<Self, String> {
        let highest = t
            .get_vocab(true)
            .into_values()
            .max()
            .ok_or("the vocabulary is empty")?;
        if highest > MAX_ID {
            return Err(format!("token id {highest} is above the limit of {MAX_ID}"));
        }
        let decoder = match t.get_decoder() {
            Some(d) => serde_json::to_value(d).map_err(|e| e.to_string())?,
            None => return Err("no decoder is given, so ids cannot become text".into()),
        };
        let mut rules = Rules::default();
        rules.add(&decoder)?;

        let unmap = byte_level_inverse();
        let added = t.get_added_vocabulary().get_added_tokens_decoder();
        let count = highest as usize + 1;
        let mut vocab = Vocab {
            offsets: Vec::with_capacity(count + 1),
            bytes: Vec::with_capacity(count * 8),
            flags: vec![0; count],
            strip_leading_space: rules.strip_leading_space,
        };
        vocab.offsets.push(0);
        for id in 0..=highest {
            if let Some(token) = added.get(&id) {
                vocab.flags[id as usize] =
                    TOKEN_EXISTS | if token.special { TOKEN_SPECIAL } else { 0 };
                vocab.bytes.extend_from_slice(token.content.as_bytes());
            } else if let Some(token) = t.get_model().id_to_token(id) {
                vocab.flags[id as usize] = TOKEN_EXISTS;
                rules.append(&token, &unmap, &mut vocab.bytes);
            }
            let end = u32::try_from(vocab.bytes.len())
                .map_err(|_| "the vocabulary's text exceeds 4 GiB".to_string())?;
            vocab.offsets.push(end);
        }
        vocab.bytes.shrink_to_fit();
        Ok(vocab)
    }
}

/// What the decoder does to a single token, as far as that does not depend on its neighbours.
#[derive(Default)]
struct Rules {
    byte_level: bool,
    byte_fallback: bool,
    replace: Vec<(String, String)>,
    strip_leading_space: bool,
    word_prefix: Option<String>, // of the parts of a word behind its first
}

impl Rules {
    fn add(&mut self, decoder: &Value) -> Result<(), String> {
        let text = |key: &str| decoder[key].as_str().unwrap_or_default().to_string();
        match decoder["type"].as_str().unwrap_or_default() {
            "ByteLevel" => self.byte_level = true,
            "ByteFallback" => self.byte_fallback = true,
            "Fuse" => {}
            "Sequence" => {
                for part in decoder["decoders"].as_array().into_iter().flatten() {
                    self.add(part)?;
                }
            }
            "WordPiece" if decoder["cleanup"].as_bool() == Some(false) => {
                self.word_prefix = Some(text("prefix"));
                self.strip_leading_space = true;
            }
            "Metaspace" => {
                self.replace.push((text("replacement"), " ".into()));
                self.strip_leading_space |= text("prepend_scheme") != "never";
            }
            "Replace" => match decoder["pattern"]["String"].as_str() {
                Some(from) if !from.is_empty() => self.replace.push((from.into(), text("content"))),
                _ => {
                    return Err(
                        "a decoder that replaces by regular expression".to_string() + UNKNOWN
                    )
                }
            },
            "Strip" => {
                if text("content") != " " || decoder["stop"].as_u64() != Some(0) {
                    return Err(
                        "a decoder that strips other than leading spaces".to_string() + UNKNOWN,
                    );
                }
                self.strip_leading_space |= decoder["start"].as_u64() != Some(0);
            }
            other => return Err(format!("decoder type {other:?}{UNKNOWN}")),
        }
        Ok(())
    }

    fn append(&self, token: &str, unmap: &[Option<u8>], out: &mut Vec<u8>) {
        if self.byte_fallback {
            if let Some(byte) = fallback_byte(token) {
                out.push(byte);
                return;
            }
        }
        if self.byte_level {
            // A token outside the byte alphabet stands for itself.
            let start = out.len();
            for c in token.chars() {
                match unmap.get(c as usize).copied().flatten() {
                    Some(byte) => out.push(byte),
                    None => {
                        out.truncate(start);
                        out.extend_from_slice(token.as_bytes());
                        return;
                    }
                }
            }
            return;
        }
        if let Some(prefix) = &self.word_prefix {
            match token.strip_prefix(prefix.as_str()) {
                Some(part) => out.extend_from_slice(part.as_bytes()),
                None => out.extend_from_slice(format!(" {token}").as_bytes()),
            }
            return;
        }
        if self
            .replace
            .iter()
            .any(|(from, _)| token.contains(from.as_str()))
        {
            let mut text = token.to_string();
            for (from, to) in &self.replace {
                text = text.replace(from.as_str(), to);
            }
            out.extend_from_slice(text.as_bytes());
        } else {
            out.extend_from_slice(token.as_bytes());
        }
    }
}

const UNKNOWN: &str = " is not known to axollama";

/// `<0x0A>` names one byte.
fn fallback_byte(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() != 2 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(hex, 16).ok()
}

/// GPT-2's letter for each byte: printable Latin-1 stands for itself, the 68 other bytes follow
/// from U+0100 in ascending order.
pub fn byte_letters() -> Vec<char> {
    let mut next = 0x100;
    let letter = |byte: u8| {
        if matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or_default()
    };
    (0..=255).map(letter).collect()
}

/// The byte of each letter, by code point.
fn byte_level_inverse() -> Vec<Option<u8>> {
    let mut map = vec![None; 0x100 + 68];
    for (byte, letter) in (0..=255).zip(byte_letters()) {
        map[letter as usize] = Some(byte);
    }
    map
}
