//! What templates work on, and how Go prints it.

use std::rc::Rc;

use super::{format, json};

#[derive(Clone, Debug)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    List(Rc<Vec<Value>>, Print),
    Map(Rc<Vec<(String, Value)>>, Print), // sorted by key
    Struct(Rc<Struct>),
}

/// How a value is printed when a template writes it out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Print {
    Go, // [a b], map[a:b], {a b}
    Json,
    GoNull,   // as Go, of a list that is not there: [], in JSON null
    JsonNull, // as Json, of such a list: null
}

#[derive(Debug)]
pub struct Struct {
    pub name: &'static str,
    pub fields: Vec<Field>,
    pub print: Print,
}

/// When JSON leaves a field out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Omit {
    Never,
    Nil,
    Empty,
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub json: &'static str,
    pub omit: Omit,
    pub value: Value,
}

impl Value {
    pub fn text(text: &str) -> Value {
        Value::Str(text.into())
    }

    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(i) => *i != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(s) => !s.is_empty(),
            Value::List(items, _) => !items.is_empty(),
            Value::Map(members, _) => !members.is_empty(),
            Value::Struct(_) => true,
        }
    }

    /// How much there is of it, roughly.
    pub fn len(&self) -> usize {
        match self {
            Value::Str(s) => s.len(),
            Value::List(items, _) => items.len(),
            _ => 1,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Str(_) => "string",
            Value::List(..) => "slice",
            Value::Map(..) => "map",
            Value::Struct(s) => s.name,
        }
    }

    /// `.name`: a map has nil for what it lacks, a struct has its fields and no others.
    pub fn field(&self, name: &str) -> Result<Value, String> {
        match self {
            Value::Map(members, _) => Ok(members
                .iter()
                .find(|(key, _)| key == name)
                .map_or(Value::Nil, |(_, value)| value.clone())),
            Value::Struct(s) => match s.fields.iter().find(|f| f.name == name) {
                Some(field) => Ok(field.value.clone()),
                None => Err(format!("can't evaluate field {name} in type {}", s.name)),
            },
            Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}")),
            other => Err(format!(
                "can't evaluate field {name} in type {}",
                other.kind()
            )),
        }
    }

    /// As {{ }} writes it.
    pub fn print(&self) -> String {
        match self {
            Value::Nil => "<no value>".into(),
            other => {
                let mut out = String::new();
                other.print_to(&mut out);
                out
            }
        }
    }

    /// As fmt's %v.
    pub fn print_to(&self, out: &mut String) {
        match self {
            Value::Nil => out.push_str("<nil>"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) => out.push_str(&i.to_string()),
            Value::Float(f) => out.push_str(&format::float_g(*f)),
            Value::Str(s) => out.push_str(s),
            Value::List(_, Print::Json | Print::JsonNull) | Value::Map(_, Print::Json) => {
                json::write(self, out)
            }
            Value::Struct(s) if s.print == Print::Json => json::write(self, out),
            Value::List(items, _) => joined(items.iter(), "[", "]", out),
            Value::Struct(s) => joined(s.fields.iter().map(|f| &f.value), "{", "}", out),
            Value::Map(members, _) => {
                out.push_str("map[");
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(' ');
                    }
                    out.push_str(key);
                    out.push(':');
                    value.print_to(out);
                }
                out.push(']');
            }
        }
    }
}

fn joined<'a>(values: impl Iterator<Item = &'a Value>, open: &str, close: &str, out: &mut String) {
    out.push_str(open);
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(' ');
        }
        value.print_to(out);
    }
    out.push_str(close);
}
