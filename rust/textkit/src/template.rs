//! Jinja chat templates as transformers renders them (`apply_chat_template`): trim_blocks and
//! lstrip_blocks, loop controls, raise_exception, strftime_now, Python's json.dumps as `tojson`.

use std::ffi::CString;

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};

use crate::{pyjson, pymethods};

const NAME: &str = "chat";

/// Steps a single rendering may take. A long chat takes some hundred thousand; a template from a
/// stranger's model folder may loop for ever.
const FUEL: u64 = 20_000_000;

pub struct Template {
    environment: Environment<'static>,
}

/// Marks an error as the template's own words (raise_exception).
#[derive(Debug)]
struct Raised(String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

impl Template {
    pub fn compile(source: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = environment
            .syntax()
            .to_builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|e| e.to_string())?;
        environment.set_syntax(syntax);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(pymethods::call);
        environment.add_filter("tojson", tojson);
        // To minijinja none is iterable.
        environment.add_test("iterable", |value: &Value| {
            matches!(
                value.kind(),
                ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String
            )
        });
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message.clone())
                    .with_source(Raised(message)))
            },
        );
        environment.add_function("strftime_now", |format: String| strftime_now(&format));
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(|e| format!("the chat template does not compile: {}", describe(&e)))?;
        Ok(Template { environment })
    }

    pub fn render(&self, context: &[u8]) -> Result<String, String> {
        let context: serde_json::Value = serde_json::from_slice(context)
            .map_err(|e| format!("the template's context is not valid JSON: {e}"))?;
        if !context.is_object() {
            return Err("the template's context must be a JSON object".into());
        }
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|e| e.to_string())?;
        template
            .render(to_value(context))
            .map_err(|e| match raised(&e) {
                Some(message) => message,
                None => format!("the chat template failed: {}", describe(&e)),
            })
    }
}

fn raised(error: &Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(e) = cause {
        if let Some(r) = e.downcast_ref::<Raised>() {
            return Some(r.0.clone());
        }
        cause = e.source();
    }
    None
}

fn describe(error: &Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

fn to_value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(b) => Value::from(b),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::from(i),
            (None, Some(u)) => Value::from(u),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Value::from(s),
        serde_json::Value::Array(items) => {
            Value::from(items.into_iter().map(to_value).collect::<Vec<_>>())
        }
        serde_json::Value::Object(members) => {
            Value::from_pairs(members.into_iter().map(|(k, v)| (k, to_value(v))))
        }
    }
}

fn tojson(
    state: &State,
    value: &Value,
    indent: Option<Value>,
    args: Kwargs,
) -> Result<Value, Error> {
    let mut style = pyjson::Style::default();
    if let Some(ensure_ascii) = args.get::<Option<bool>>("ensure_ascii")? {
        style.ensure_ascii = ensure_ascii;
    }
    if let Some(sort_keys) = args.get::<Option<bool>>("sort_keys")? {
        style.sort_keys = sort_keys;
    }
    let indent = match indent {
        Some(indent) => Some(indent),
        None => args.get::<Option<Value>>("indent")?,
    };
    if let Some(indent) = indent.filter(|i| !i.is_none() && !i.is_undefined()) {
        style.set_indent(match indent.as_str() {
            Some(text) => text.to_string(),
            None => " ".repeat(usize::try_from(indent)?.min(64)),
        });
    }
    if let Some(separators) = args
        .get::<Option<Value>>("separators")?
        .filter(|s| !s.is_none())
    {
        let part = |index| -> Result<String, Error> {
            let value = separators.get_item_by_index(index)?;
            value.as_str().map(str::to_string).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidOperation,
                    "separators must be two strings",
                )
            })
        };
        (style.item_separator, style.key_separator) = (part(0)?, part(1)?);
    }
    args.assert_all_used()?;
    let text = pyjson::dumps(value, &style)?;
    state.consume_fuel((text.len() / 64) as u64)?;
    Ok(Value::from(text))
}

/// `datetime.now().strftime(format)` in the C locale.
fn strftime_now(format: &str) -> Result<String, Error> {
    strftime(format, 0).map_err(|why| Error::new(ErrorKind::InvalidOperation, why))
}

/// The time now, or that many days from now.
pub fn strftime(format: &str, days: i32) -> Result<String, String> {
    let format = CString::new(format).map_err(|_| "strftime: NUL in the format")?;
    if format.is_empty() {
        return Ok(String::new());
    }
    let mut text = [0u8; 1024];
    // SAFETY: time, localtime_r and mktime read and write what they are given; strftime writes at
    // most text.len() bytes and returns how many.
    let written = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&now, &mut parts).is_null() {
            return Err("strftime: the clock cannot be read".into());
        }
        if days != 0 {
            parts.tm_mday += days;
            parts.tm_isdst = -1;
            libc::mktime(&mut parts);
        }
        libc::strftime(
            text.as_mut_ptr().cast(),
            text.len(),
            format.as_ptr(),
            &parts,
        )
    };
    Ok(String::from_utf8_lossy(&text[..written]).into_owned())
}

/// `{% generation %} … {% endgeneration %}` marks the assistant's words for training; transformers
/// renders what is inside. Here the tags become an `if` that is always taken.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        rest = tag;
        let Some(end) = tag.find("%}") else { continue };
        let body = &tag[..end];
        let replacement = match body.trim_matches(['-', '+']).trim() {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        let word = body.trim_matches(['-', '+']).trim();
        out.push_str(&body.replacen(word, replacement, 1));
        rest = &tag[end..];
    }
    out.push_str(rest);
    out
}
