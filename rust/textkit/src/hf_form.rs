//! The parts of a tokenizer.json that are alike for every kind of tokenizer made from another form.

use std::collections::{HashMap, HashSet};

use serde_json::{json, Map, Value};

/// What the header says of single ids.
pub struct Marks<'a> {
    pub special: HashSet<u32>,
    pub hidden: HashSet<u32>, // that end an answer or begin a text: never a part of what is said
    pub prefix: &'a [u32],
}

/// The tokens that are looked for in the text as they stand, with their texts.
///
/// The form does not say which of them are hidden from what is said. Those are: what ends or begins
/// a text, and what is written as a mark, <so> or [so], but not as one of a pair such as <tool_call>
/// and </tool_call>, which is meant to be read.
fn added_tokens(texts: &[(u32, String)], marks: &Marks) -> Value {
    let all: HashSet<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let is_mark = |text: &str| {
        let framed = (text.starts_with('<') && text.ends_with('>'))
            || (text.starts_with('[') && text.ends_with(']'));
        let pair = match text.strip_prefix("</") {
            Some(name) => format!("<{name}"),
            None => format!("</{}", text.strip_prefix('<').unwrap_or(text)),
        };
        framed && !text.contains(char::is_whitespace) && !all.contains(pair.as_str())
    };
    let ends_a_pair = |text: &str| {
        // <s> and </s>: one of them ends an answer, so neither is to be read.
        text.strip_prefix("</").map_or_else(
            || text.strip_prefix('<').map(|name| format!("</{name}")),
            |name| Some(format!("<{name}")),
        )
    };
    let hidden: HashSet<&str> = texts
        .iter()
        .filter(|(id, _)| marks.hidden.contains(id))
        .map(|(_, text)| text.as_str())
        .collect();
    let list = texts.iter().map(|(id, text)| {
        let special = hidden.contains(text.as_str())
            || ends_a_pair(text).is_some_and(|other| hidden.contains(other.as_str()))
            || is_mark(text);
        json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": special})
    });
    Value::Array(list.collect())
}

/// What is put before every text.
fn post_processor(texts: &HashMap<u32, String>, prefix: &[u32]) -> Result<Value, String> {
    if prefix.is_empty() {
        return Ok(Value::Null);
    }
    let (mut special, mut single) = (Map::new(), Vec::new());
    for id in prefix {
        let text = texts
            .get(id)
            .ok_or(format!("the prefix token {id} has no text"))?;
        single.push(json!({"SpecialToken": {"id": text, "type_id": 0}}));
        special.insert(
            text.clone(),
            json!({"id": text, "ids": [id], "tokens": [text]}),
        );
    }
    let mut pair = single.clone();
    single.push(json!({"Sequence": {"id": "A", "type_id": 0}}));
    pair.push(json!({"Sequence": {"id": "A", "type_id": 0}}));
    pair.push(json!({"Sequence": {"id": "B", "type_id": 1}}));
    Ok(
        json!({"type": "TemplateProcessing", "single": single, "pair": pair,
              "special_tokens": special}),
    )
}

/// `pieces`: letters that are no token become the tokens of their bytes, as SentencePiece does it.
pub fn bpe(
    vocab: Map<String, Value>,
    merges: Vec<[String; 2]>,
    pieces: bool,
    unknown: Option<String>,
    ignore_merges: bool,
) -> Value {
    json!({"type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
           "end_of_word_suffix": null, "fuse_unk": pieces, "byte_fallback": pieces,
           "ignore_merges": ignore_merges, "vocab": vocab, "merges": merges})
}

/// A vocabulary: the first of equal texts counts, as in the programs that read the form.
pub struct Vocabulary {
    pub added: Vec<(u32, String)>,
    pub entries: Map<String, Value>,
}

impl Vocabulary {
    /// The special tokens come first: their ids must be found by their texts.
    pub fn new(special: Vec<(u32, String)>) -> Self {
        let mut entries = Map::new();
        let mut added = special;
        added.retain(|(id, text)| {
            let new = !text.is_empty() && !entries.contains_key(text);
            if new {
                entries.insert(text.clone(), (*id).into());
            }
            new
        });
        Vocabulary { added, entries }
    }

    pub fn add(&mut self, text: String, id: usize) {
        if !text.is_empty() {
            self.entries.entry(text).or_insert_with(|| id.into());
        }
    }

    pub fn finish(
        self,
        marks: &Marks,
        normalizer: Value,
        pre_tokenizer: Value,
        decoder: Value,
        model: impl FnOnce(Map<String, Value>) -> Value,
    ) -> Result<Value, String> {
        let texts: HashMap<u32, String> = self.added.iter().cloned().collect();
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": added_tokens(&self.added, marks),
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
            "post_processor": post_processor(&texts, marks.prefix)?,
            "decoder": decoder, "model": model(self.entries)}))
    }
}
