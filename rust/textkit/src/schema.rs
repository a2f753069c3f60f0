//! A stranger's JSON schema, made ready for llguidance.

use serde_json::{json, Value};

/// Between the parts of JSON: llama.cpp's rule, so that no model fills an answer with spaces.
const SPACE: &str = r" |\n{1,2}[ \t]{0,20}";

/// What src/dialect asks for in the arguments of a call: the spacing that models were trained on.
const EXACT_SPACING: &str =
    r#"{"whitespace_flexible":false,"item_separator":", ","key_separator":": "}"#;

/// llguidance keeps a state for each remainder, and looks at all of them beforehand.
const MAX_MULTIPLE: u128 = 20_000;

pub fn prepare(text: &str) -> Result<Value, String> {
    let schema = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
    prepare_value(schema)
}

/// serde_json has bounded the depth to 128.
pub fn prepare_value(mut schema: Value) -> Result<Value, String> {
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    let mut found = Found::default();
    found.look(&schema, true);
    if found.reference && found.inner_id {
        // llguidance would look a $ref up in the wrong place.
        return Err("it has an \"$id\" inside and a \"$ref\"; take the \"$id\" away".into());
    }
    if !found.multiples_fit() {
        return Err(format!(
            "\"multipleOf\" is too large; together they may reach {MAX_MULTIPLE} steps"
        ));
    }
    if let Some(members) = schema.as_object_mut() {
        let exact = members
            .get("x-guidance")
            .is_some_and(|given| given.to_string() == EXACT_SPACING);
        if !exact {
            let options = json!({ "whitespace_pattern": SPACE });
            members.insert("x-guidance".into(), options);
        }
    }
    Ok(schema)
}

#[derive(Default)]
struct Found {
    reference: bool,
    inner_id: bool,
    multiples: Vec<f64>,
}

impl Found {
    fn look(&mut self, value: &Value, root: bool) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look(item, false)),
            Value::Object(members) => {
                self.reference |= members.get("$ref").is_some_and(Value::is_string);
                self.inner_id |= !root && members.get("$id").is_some_and(Value::is_string);
                self.multiples
                    .extend(members.get("multipleOf").and_then(Value::as_f64));
                members.values().for_each(|member| self.look(member, false));
            }
            _ => {}
        }
    }

    /// A number may have to be a multiple of several at once.
    fn multiples_fit(&self) -> bool {
        let Some(scale) = self.multiples.iter().map(|m| decimals(*m)).max() else {
            return true;
        };
        let mut all = 1u128;
        for multiple in &self.multiples {
            let scaled = multiple * 10f64.powi(scale);
            if !(scaled >= 0.5 && scaled < 1e15) {
                return false;
            }
            let scaled = scaled.round() as u128;
            all = all / divisor(all, scaled) * scaled;
            if all > MAX_MULTIPLE {
                return false;
            }
        }
        true
    }
}

fn decimals(number: f64) -> i32 {
    let text = number.to_string(); // without an exponent, however small
    text.split_once('.')
        .map_or(0, |(_, digits)| digits.len().min(400) as i32)
}

fn divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
