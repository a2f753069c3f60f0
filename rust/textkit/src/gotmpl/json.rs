//! json.Marshal: sorted keys of maps, HTML's signs escaped; and JSON to values.

use std::rc::Rc;

use super::value::{Omit, Print, Value};

pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Float(f) => float(*f, out),
        Value::Str(s) => string(s, out),
        Value::List(_, Print::GoNull | Print::JsonNull) => out.push_str("null"),
        Value::List(items, _) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Map(members, _) => {
            let mut first = true;
            out.push('{');
            for (key, value) in members.iter() {
                member(key, value, &mut first, out);
            }
            out.push('}');
        }
        Value::Struct(s) => {
            let mut first = true;
            out.push('{');
            for field in &s.fields {
                let omitted = match field.omit {
                    Omit::Never => false,
                    Omit::Nil => matches!(field.value, Value::Nil),
                    Omit::Empty => !field.value.is_true(),
                };
                if !omitted {
                    member(field.json, &field.value, &mut first, out);
                }
            }
            out.push('}');
        }
    }
}

fn member(key: &str, value: &Value, first: &mut bool, out: &mut String) {
    if !std::mem::take(first) {
        out.push(',');
    }
    string(key, out);
    out.push(':');
    write(value, out);
}

pub fn string(text: &str, out: &mut String) {
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
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", c as u32))
            }
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn float(f: f64, out: &mut String) {
    let magnitude = f.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{f:e}"); // 1e21, 1.5e-7
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                out.push_str(&format!("{digits}e+{exponent}"))
            }
            _ => out.push_str(&text),
        }
    } else {
        out.push_str(&f.to_string());
    }
}

/// A list, also where there is none.
pub fn read_list(json: &serde_json::Value) -> Value {
    match read(json) {
        list @ Value::List(..) => list,
        _ => Value::List(Rc::new(Vec::new()), Print::GoNull),
    }
}

/// As Go decodes into `any`: numbers are floats, but those that a float cannot hold stay whole.
pub fn read(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) if i.unsigned_abs() > 1 << 53 => Value::Int(i),
            (_, f) => Value::Float(f.unwrap_or(0.0)),
        },
        Json::String(s) => Value::text(s),
        Json::Array(items) => Value::List(Rc::new(items.iter().map(read).collect()), Print::Go),
        Json::Object(members) => {
            let mut sorted: Vec<(String, Value)> =
                members.iter().map(|(k, v)| (k.clone(), read(v))).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Map(Rc::new(sorted), Print::Go)
        }
    }
}
