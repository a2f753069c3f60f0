//! Python methods of strings, lists and dicts: minijinja-contrib's, and those that it lacks.

use minijinja::value::{from_args, Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

pub fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        match method {
            "removeprefix" => {
                let (prefix,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)));
            }
            "removesuffix" => {
                let (suffix,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)));
            }
            "partition" => {
                let (separator,): (&str,) = from_args(args)?;
                let (a, b, c) = match text.split_once(separator) {
                    Some((before, after)) => (before, separator, after),
                    None => (text, "", ""),
                };
                return Ok(Value::from(Tuple::from([a.into(), b.into(), c.into()])));
            }
            "rpartition" => {
                let (separator,): (&str,) = from_args(args)?;
                let (a, b, c) = match text.rsplit_once(separator) {
                    Some((before, after)) => (before, separator, after),
                    None => ("", "", text),
                };
                return Ok(Value::from(Tuple::from([a.into(), b.into(), c.into()])));
            }
            "rsplit" => {
                let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
                return Ok(rsplit(text, separator, limit.unwrap_or(-1)));
            }
            "index" | "rindex" => {
                let (what,): (&str,) = from_args(args)?;
                let found = if method == "index" {
                    text.find(what)
                } else {
                    text.rfind(what)
                };
                return match found {
                    Some(byte) => Ok(Value::from(text[..byte].chars().count())),
                    None => Err(Error::new(
                        ErrorKind::InvalidOperation,
                        "substring not found",
                    )),
                };
            }
            _ => {}
        }
    }
    if value.kind() == ValueKind::Seq && method == "index" {
        let (what,): (&Value,) = from_args(args)?;
        return match value.try_iter()?.position(|item| item == *what) {
            Some(index) => Ok(Value::from(index)),
            None => Err(Error::new(
                ErrorKind::InvalidOperation,
                "value is not in the list",
            )),
        };
    }
    if value.kind() == ValueKind::Map && method == "copy" {
        let () = from_args(args)?;
        return Ok(value.clone());
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

fn rsplit(text: &str, separator: Option<&str>, limit: i64) -> Value {
    let most = if limit < 0 {
        usize::MAX
    } else {
        (limit as usize).saturating_add(1)
    };
    let mut parts: Vec<Value> = match separator {
        Some(s) => text.rsplitn(most, s).map(Value::from).collect(),
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end();
            while !rest.is_empty() {
                if parts.len() + 1 >= most {
                    parts.push(Value::from(rest));
                    break;
                }
                let start = rest
                    .char_indices()
                    .rev()
                    .find(|(_, c)| c.is_whitespace())
                    .map_or(0, |(i, c)| i + c.len_utf8());
                parts.push(Value::from(&rest[start..]));
                rest = rest[..start].trim_end();
            }
            parts
        }
    };
    parts.reverse();
    Value::from(parts)
}
