//! Python's json.dumps: templates were written against its exact spacing, escapes and numbers.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

const MAX_DEPTH: usize = 128;

/// The keyword arguments of json.dumps. The default is transformers' (`ensure_ascii=False`).
pub struct Style {
    pub ensure_ascii: bool,
    pub sort_keys: bool,
    pub item_separator: String,
    pub key_separator: String,
    indent: Option<String>,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            ensure_ascii: false,
            sort_keys: false,
            item_separator: ", ".into(),
            key_separator: ": ".into(),
            indent: None,
        }
    }
}

impl Style {
    pub fn set_indent(&mut self, indent: String) {
        self.indent = Some(indent);
        self.item_separator = ",".into();
    }
}

pub fn dumps(value: &Value, style: &Style) -> Result<String, Error> {
    let mut out = String::new();
    write(value, style, 0, &mut out)?;
    Ok(out)
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "tojson: nested too deeply",
        ));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&float(f64::try_from(value.clone())?)),
        ValueKind::String => string(value.as_str().unwrap_or_default(), style.ensure_ascii, out),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut first = true;
            out.push('[');
            for item in value.try_iter()? {
                separate(&mut first, style, depth, out);
                write(&item, style, depth + 1, out)?;
            }
            close(']', first, style, depth, out);
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            let mut first = true;
            out.push('{');
            for key in keys {
                separate(&mut first, style, depth, out);
                match key.kind() {
                    ValueKind::String => {
                        string(key.as_str().unwrap_or_default(), style.ensure_ascii, out)
                    }
                    ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                        out.push('"');
                        write(&key, style, depth, out)?;
                        out.push('"');
                    }
                    other => return Err(not_json(other)),
                }
                out.push_str(&style.key_separator);
                write(&value.get_item(&key)?, style, depth + 1, out)?;
            }
            close('}', first, style, depth, out);
        }
        other => return Err(not_json(other)),
    }
    Ok(())
}

fn not_json(kind: ValueKind) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("tojson: {kind} is not JSON serializable"),
    )
}

fn separate(first: &mut bool, style: &Style, depth: usize, out: &mut String) {
    if !std::mem::take(first) {
        out.push_str(&style.item_separator);
    }
    new_line(style, depth + 1, out);
}

fn close(bracket: char, empty: bool, style: &Style, depth: usize, out: &mut String) {
    if !empty {
        new_line(style, depth, out);
    }
    out.push(bracket);
}

fn new_line(style: &Style, depth: usize, out: &mut String) {
    if let Some(indent) = &style.indent {
        out.push('\n');
        out.push_str(&indent.repeat(depth));
    }
}

fn string(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ensure_ascii && (c as u32) > 0x7e) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// repr(float): the shortest digits that read back, an exponent below 1e-4 and from 1e16.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = value.to_string();
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}
