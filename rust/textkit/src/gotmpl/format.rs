//! fmt's printing: numbers, and Printf for the verbs that templates use.

use std::iter::Peekable;
use std::str::Chars;

use super::fits;
use super::value::{Print, Value};

const WIDEST: usize = 10_000;

/// strconv.FormatFloat(f, 'g', -1, 64).
pub fn float_g(f: f64) -> String {
    if f == 0.0 || !f.is_finite() {
        return match f {
            f if f.is_nan() => "NaN".into(),
            f if f == f64::INFINITY => "+Inf".into(),
            f if f == f64::NEG_INFINITY => "-Inf".into(),
            f => f.to_string(),
        };
    }
    let scientific = format!("{f:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        return with_exponent(digits, exponent);
    }
    f.to_string()
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// strconv.Quote.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32))
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Verb {
    minus: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

fn number(chars: &mut Peekable<Chars<'_>>) -> Result<usize, String> {
    let mut value = 0;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        value = value * 10 + (digit as usize - '0' as usize);
        if value > WIDEST {
            return Err(format!("printf: a width above {WIDEST}"));
        }
    }
    Ok(value)
}

pub fn printf(format: &str, args: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        fits(&out)?;
        let mut verb = Verb {
            minus: false,
            zero: false,
            plus: false,
            width: 0,
            precision: None,
        };
        while let Some(flag) = chars.next_if(|c| "-+0# ".contains(*c)) {
            match flag {
                '-' => verb.minus = true,
                '0' => verb.zero = true,
                '+' => verb.plus = true,
                _ => return Err(format!("printf: the flag {flag:?} is not supported")),
            }
        }
        if chars.next_if_eq(&'*').is_some() {
            // Templates count with it: len (printf "a%*s" $i "") is $i + 1.
            let given = args.get(next);
            next += 1;
            match given {
                Some(Value::Int(width)) if width.unsigned_abs() <= WIDEST as u64 => {
                    verb.minus = verb.minus || *width < 0;
                    verb.width = width.unsigned_abs() as usize;
                }
                _ => out.push_str("%!(BADWIDTH)"),
            }
        } else {
            verb.width = number(&mut chars)?;
        }
        if chars.next_if_eq(&'.').is_some() {
            verb.precision = Some(number(&mut chars)?);
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(c) => match args.get(next) {
                None => out.push_str(&format!("%!{c}(MISSING)")),
                Some(value) => {
                    next += 1;
                    pad(&verb, &one(&verb, c, value), value, &mut out);
                }
            },
        }
    }
    if next < args.len() {
        out.push_str("%!(EXTRA ");
        for (i, value) in args[next..].iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            out.push_str(type_of(value));
            if !matches!(value, Value::Nil) {
                out.push('=');
                value.print_to(&mut out);
                fits(&out)?;
            }
        }
        out.push(')');
    }
    Ok(out)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::List(..) => "[]interface {}",
        Value::Map(..) => "map[string]interface {}",
        other => other.kind(),
    }
}

fn one(verb: &Verb, c: char, value: &Value) -> String {
    let mut out = String::new();
    let sign = |text: String, negative: bool| match verb.plus && !negative {
        true => format!("+{text}"),
        false => text,
    };
    match (c, value) {
        ('v', Value::Int(i)) | ('d', Value::Int(i)) => sign(i.to_string(), *i < 0),
        ('x', Value::Int(i)) => format!("{}{:x}", if *i < 0 { "-" } else { "" }, i.unsigned_abs()),
        ('c', Value::Int(i)) => {
            let c = u32::try_from(*i).ok().and_then(char::from_u32);
            c.unwrap_or('\u{fffd}').to_string()
        }
        ('f', Value::Float(f)) => sign(format!("{f:.*}", verb.precision.unwrap_or(6)), *f < 0.0),
        ('v' | 'g', Value::Float(f)) => sign(float_g(*f), *f < 0.0),
        ('t', Value::Bool(b)) => b.to_string(),
        ('s' | 'v', Value::Str(s)) => match verb.precision {
            Some(most) => s.chars().take(most).collect(),
            None => s.to_string(),
        },
        ('q', Value::Str(s)) => {
            quote(s, &mut out);
            out
        }
        ('x', Value::Str(s)) => s.bytes().map(|b| format!("{b:02x}")).collect(),
        ('v', other) => {
            other.print_to(&mut out);
            out
        }
        ('s', Value::List(items, print)) if *print == Print::Go => {
            let parts: Vec<String> = items.iter().map(|item| one(verb, c, item)).collect();
            format!("[{}]", parts.join(" "))
        }
        ('s', Value::List(..) | Value::Map(..) | Value::Struct(_)) => {
            value.print_to(&mut out);
            out
        }
        (c, Value::Nil) => format!("%!{c}(<nil>)"),
        (c, other) => {
            other.print_to(&mut out);
            format!("%!{c}({}={out})", type_of(other))
        }
    }
}

fn pad(verb: &Verb, text: &str, value: &Value, out: &mut String) {
    let missing = verb.width.saturating_sub(text.chars().count());
    if verb.minus {
        out.push_str(text);
        out.extend(std::iter::repeat(' ').take(missing));
        return;
    }
    let number = matches!(value, Value::Int(_) | Value::Float(_));
    if verb.zero && number {
        let signs = usize::from(text.starts_with(['-', '+']));
        out.push_str(&text[..signs]);
        out.extend(std::iter::repeat('0').take(missing));
        out.push_str(&text[signs..]);
        return;
    }
    out.extend(std::iter::repeat(' ').take(missing));
    out.push_str(text);
}
