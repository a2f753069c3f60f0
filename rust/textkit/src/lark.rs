//! The `%json {...}` of a Lark grammar are strangers' schemas too: they hold a tool's parameters.

use serde_json::Value;

use crate::schema;

const KEYWORD: &str = "%json";

/// The grammar with each schema as `schema::prepare` makes it.
pub fn with_prepared_schemas(lark: &str) -> Result<String, String> {
    let mut out = String::with_capacity(lark.len());
    let mut rest = lark;
    while let Some(size) = until_keyword(rest) {
        out.push_str(&rest[..size]);
        let after = &rest[size..];
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => schema::prepare_value(value).map_err(|e| format!("%json: {e}"))?,
            Some(Err(e)) => return Err(format!("%json: {e}")),
            None => return Err("%json: a schema is expected behind it".into()),
        };
        let end = values.byte_offset();
        out.push(' ');
        out.push_str(&value.to_string());
        rest = &after[end..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The bytes up to the end of the next `%json` that stands in no string, regular expression or
/// comment.
fn until_keyword(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let line_ends = |at: usize| text[at..].find('\n').map_or(bytes.len(), |i| at + i);
        match bytes[at] {
            b'#' => at = line_ends(at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = line_ends(at),
            quote @ (b'"' | b'/') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote && bytes[at] != b'\n' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'%' if text[at..].starts_with(KEYWORD) => return Some(at + KEYWORD.len()),
            _ => at += 1,
        }
    }
    None
}
