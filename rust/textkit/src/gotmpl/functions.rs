//! Go's built-in functions, and Ollama's json, currentDate, yesterdayDate, toTypeScriptType.

use super::value::Value;
use super::{fits, format, json};
use crate::template::strftime;

/// `and` and `or` are not here but in exec.rs: they do not evaluate what they need not.
pub const NAMES: [&str; 19] = [
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "print",
    "println",
    "printf",
    "json",
    "currentDate",
    "yesterdayDate",
    "toTypeScriptType",
];

pub fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    let count = |least: usize, most: usize| match args.len() {
        n if n < least || n > most => Err(format!(
            "wrong number of args for {name}: want {}{least} got {n}",
            if most > least { "at least " } else { "" }
        )),
        _ => Ok(()),
    };
    match name {
        "not" => {
            count(1, 1)?;
            Ok(Value::Bool(!args[0].is_true()))
        }
        "len" => {
            count(1, 1)?;
            let length = match &args[0] {
                Value::Str(s) => s.len(),
                Value::List(items, _) => items.len(),
                Value::Map(members, _) => members.len(),
                Value::Nil => return Err("len of nil pointer".into()),
                other => return Err(format!("len of type {}", other.kind())),
            };
            Ok(Value::Int(length as i64))
        }
        "index" => {
            count(1, usize::MAX)?;
            if matches!(args[0], Value::Nil) {
                return Err("index of untyped nil".into());
            }
            args[1..]
                .iter()
                .try_fold(args[0].clone(), |item, key| index(&item, key))
        }
        "slice" => {
            count(1, 4)?;
            slice(args)
        }
        "eq" => {
            count(1, usize::MAX)?;
            if args.len() == 1 {
                return Err("missing argument for comparison".into());
            }
            for other in &args[1..] {
                if equal(&args[0], other)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        "ne" => {
            count(2, 2)?;
            Ok(Value::Bool(!equal(&args[0], &args[1])?))
        }
        "lt" | "le" | "gt" | "ge" => {
            count(2, 2)?;
            let less = less(&args[0], &args[1])?;
            Ok(Value::Bool(match name {
                "lt" => less,
                "le" => less || equal(&args[0], &args[1])?,
                "gt" => !less && !equal(&args[0], &args[1])?,
                _ => !less,
            }))
        }
        "print" => Ok(Value::text(&print(args)?)),
        "println" => {
            let mut out = String::new();
            for (i, arg) in args.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                arg.print_to(&mut out);
                fits(&out)?;
            }
            Ok(Value::text(&(out + "\n")))
        }
        "printf" => {
            count(1, usize::MAX)?;
            match &args[0] {
                Value::Str(format) => Ok(Value::text(&format::printf(format, &args[1..])?)),
                other => Err(format!("printf: the format is a {}", other.kind())),
            }
        }
        "json" => {
            count(1, 1)?;
            let mut text = String::new();
            json::write(&args[0], &mut text);
            Ok(Value::text(&text))
        }
        "currentDate" => Ok(Value::text(&strftime("%Y-%m-%d", 0)?)),
        "yesterdayDate" => Ok(Value::text(&strftime("%Y-%m-%d", -1)?)),
        "toTypeScriptType" => {
            count(1, 1)?;
            Ok(Value::text(&type_script(&args[0])))
        }
        other => Err(format!("function {other:?} not defined")),
    }
}

fn shown(value: &Value) -> String {
    let mut text = String::new();
    value.print_to(&mut text);
    text
}

/// fmt.Sprint: a space between two values neither of which is a string.
fn print(args: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    for (i, value) in args.iter().enumerate() {
        let texts = |v: &Value| matches!(v, Value::Str(_));
        if i > 0 && !texts(value) && !texts(&args[i - 1]) {
            out.push(' ');
        }
        value.print_to(&mut out);
        fits(&out)?;
    }
    Ok(out)
}

fn index(item: &Value, key: &Value) -> Result<Value, String> {
    match (item, key) {
        (Value::List(items, _), Value::Int(i)) => usize::try_from(*i)
            .ok()
            .and_then(|i| items.get(i).cloned())
            .ok_or(format!("index out of range: {i}")),
        (Value::Str(s), Value::Int(i)) => usize::try_from(*i)
            .ok()
            .and_then(|i| s.as_bytes().get(i))
            .map(|b| Value::Int(i64::from(*b)))
            .ok_or(format!("index out of range: {i}")),
        (Value::Map(..), Value::Str(key)) => item.field(key),
        (Value::Nil, _) => Err("index of untyped nil".into()),
        (Value::List(..) | Value::Str(_) | Value::Map(..), key) => Err(format!(
            "cannot index {} with type {}",
            item.kind(),
            key.kind()
        )),
        _ => Err(format!("can't index item of type {}", item.kind())),
    }
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let length = match &args[0] {
        Value::Str(s) if args.len() < 4 => s.len(),
        Value::List(items, _) => items.len(),
        Value::Str(_) => return Err("cannot 3-index slice a string".into()),
        other => return Err(format!("can't slice item of type {}", other.kind())),
    };
    let mut bounds = [0, length, length];
    for (bound, arg) in bounds.iter_mut().zip(&args[1..]) {
        *bound = match arg {
            Value::Int(i) => usize::try_from(*i).ok().filter(|i| *i <= length),
            other => {
                return Err(format!(
                    "cannot index slice/array with type {}",
                    other.kind()
                ))
            }
        }
        .ok_or(format!("index out of range: {}", shown(arg)))?;
    }
    let [from, to, most] = bounds;
    if from > to || to > most {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match &args[0] {
        Value::Str(s) => s
            .get(from..to)
            .map(Value::text)
            .ok_or("slice: the index is inside of a character".into()),
        Value::List(items, print) => Ok(Value::List(items[from..to].to_vec().into(), *print)),
        _ => Err("can't slice".into()),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Str(a), Value::Str(b)) => Ok(a == b),
        (Value::List(..) | Value::Map(..) | Value::Struct(_), _) => {
            Err(format!("non-comparable type {}", a.kind()))
        }
        _ => Err("incompatible types for comparison".into()),
    }
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a < b),
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::Str(a), Value::Str(b)) => Ok(a < b),
        (
            Value::Int(_) | Value::Float(_) | Value::Str(_),
            Value::Int(_) | Value::Float(_) | Value::Str(_),
        ) => Err("incompatible types for comparison".into()),
        _ => Err("invalid type for comparison".into()),
    }
}

/// Of a tool's property; anything else is any.
fn type_script(value: &Value) -> String {
    let Value::Struct(property) = value else {
        return "any".into();
    };
    if property.name != "ToolProperty" {
        return "any".into();
    }
    let list = |name: &str| match value.field(name) {
        Ok(Value::List(items, _)) => items.to_vec(),
        Ok(one @ Value::Str(_)) => vec![one],
        _ => Vec::new(),
    };
    let any_of = list("AnyOf");
    let types = list("Type");
    let of_type = |one: &Value| {
        let Value::Str(name) = one else {
            return "any";
        };
        match &**name {
            "string" => "string",
            "number" | "integer" => "number",
            "boolean" => "boolean",
            "array" => "any[]",
            "object" => "Record<string, any>",
            "null" => "null",
            _ => "any",
        }
    };
    if !any_of.is_empty() {
        let types: Vec<String> = any_of.iter().map(type_script).collect();
        return types.join(" | ");
    }
    if types.is_empty() {
        return "any".into();
    }
    let types: Vec<&str> = types.iter().map(of_type).collect();
    types.join(" | ")
}
