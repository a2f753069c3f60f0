//! The text of a GBNF grammar as rules; errors name line and column.

use std::collections::HashMap;

/// Of groups in groups.
const MAX_NESTING: usize = 64;
const MAX_RULES: usize = 10_000;
/// llama.cpp's own limit.
const MAX_REPEAT: u32 = 2000;

#[derive(Clone)]
pub enum Item {
    Text(String), // a regular expression that stands for itself in any place
    Token(String),
    Rule(usize),
    Group(Vec<Sequence>),
    Repeat(Box<Item>, u32, Option<u32>),
}

pub type Sequence = Vec<Item>;

pub struct Parsed {
    pub rules: Vec<Vec<Sequence>>, // the alternatives of each
    pub root: usize,
}

pub fn parse(text: &str) -> Result<Parsed, String> {
    let mut parser = Parser {
        text,
        at: 0,
        names: HashMap::new(),
        rules: Vec::new(),
    };
    parser.space(true);
    while parser.at < text.len() {
        parser.rule()?;
        parser.space(true);
    }
    let mut rules = Vec::with_capacity(parser.rules.len());
    for rule in parser.rules {
        match rule.alternatives {
            Some(alternatives) => rules.push(alternatives),
            None => {
                let (line, column) = place(text, rule.first_use);
                return Err(format!(
                    "line {line}, column {column}: the rule {:?} is not defined",
                    rule.name
                ));
            }
        }
    }
    match parser.names.get("root") {
        Some(&root) => Ok(Parsed { rules, root }),
        None => Err("it has no rule \"root\"".into()),
    }
}

struct Rule {
    name: String,
    first_use: usize,
    alternatives: Option<Vec<Sequence>>,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: HashMap<String, usize>,
    rules: Vec<Rule>,
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    (line, before[start..].chars().count() + 1)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn fail<T>(&self, what: &str) -> Result<T, String> {
        let (line, column) = place(self.text, self.at);
        Err(format!("line {line}, column {column}: {what}"))
    }

    fn space(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                '\n' | '\r' if lines => self.at += 1,
                '#' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                }
                _ => break,
            }
        }
    }

    fn name(&mut self) -> Result<usize, String> {
        let start = self.at;
        let rest = &self.text[start..];
        let size = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if size == 0 {
            return self.fail("the name of a rule is expected");
        }
        self.at += size;
        let name = &rest[..size];
        if let Some(&rule) = self.names.get(name) {
            return Ok(rule);
        }
        if self.rules.len() == MAX_RULES {
            return self.fail("there are too many rules");
        }
        self.names.insert(name.to_string(), self.rules.len());
        self.rules.push(Rule {
            name: name.to_string(),
            first_use: start,
            alternatives: None,
        });
        Ok(self.rules.len() - 1)
    }

    fn rule(&mut self) -> Result<(), String> {
        let rule = self.name()?;
        self.space(false);
        if !self.text[self.at..].starts_with("::=") {
            return self.fail("::= is expected");
        }
        if self.rules[rule].alternatives.is_some() {
            return self.fail("this rule was defined before");
        }
        self.at += 3;
        self.space(true);
        let alternatives = self.alternatives(0)?;
        if !matches!(self.peek(), None | Some('\n' | '\r')) {
            return self.fail("a part of a rule or the end of the line is expected");
        }
        self.rules[rule].alternatives = Some(alternatives);
        Ok(())
    }

    fn alternatives(&mut self, depth: usize) -> Result<Vec<Sequence>, String> {
        let mut alternatives = vec![self.sequence(depth)?];
        loop {
            let end = self.at;
            self.space(true);
            if !self.take('|') {
                self.at = end;
                return Ok(alternatives);
            }
            self.space(true);
            alternatives.push(self.sequence(depth)?);
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Sequence, String> {
        let mut items = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '"' => items.push(self.literal()?),
                '[' => items.push(self.class()?),
                '.' => {
                    self.at += 1;
                    items.push(Item::Text("(?s:.)".into()));
                }
                '<' => items.push(self.token()?),
                '(' => {
                    if depth == MAX_NESTING {
                        return self.fail("groups are nested too deep");
                    }
                    self.at += 1;
                    self.space(true);
                    let group = self.alternatives(depth + 1)?;
                    self.space(true);
                    if !self.take(')') {
                        return self.fail("\")\" is expected");
                    }
                    items.push(Item::Group(group));
                }
                '*' | '+' | '?' | '{' => match items.pop() {
                    None | Some(Item::Repeat(..)) => {
                        return self.fail("there is nothing to repeat");
                    }
                    Some(item) => {
                        let (least, most) = self.count()?;
                        items.push(Item::Repeat(Box::new(item), least, most));
                    }
                },
                c if is_name(c) => items.push(Item::Rule(self.name()?)),
                _ => break,
            }
            self.space(depth > 0);
        }
        Ok(items)
    }

    fn count(&mut self) -> Result<(u32, Option<u32>), String> {
        match self.next() {
            Some('*') => return Ok((0, None)),
            Some('+') => return Ok((1, None)),
            Some('?') => return Ok((0, Some(1))),
            _ => {}
        }
        self.space(false);
        let least = self.number()?;
        self.space(false);
        let mut most = Some(least);
        if self.take(',') {
            self.space(false);
            let bounded = self.peek().is_some_and(|c| c.is_ascii_digit());
            most = if bounded { Some(self.number()?) } else { None };
            self.space(false);
        }
        if most.is_some_and(|most| most < least) || !self.take('}') {
            return self.fail("{m}, {m,} or {m,n} is expected");
        }
        Ok((least, most))
    }

    fn number(&mut self) -> Result<u32, String> {
        let rest = &self.text[self.at..];
        let size = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        match rest[..size].parse::<u32>() {
            Ok(number) if number <= MAX_REPEAT => {
                self.at += size;
                Ok(number)
            }
            _ => self.fail(&format!("a number from 0 to {MAX_REPEAT} is expected")),
        }
    }

    fn literal(&mut self) -> Result<Item, String> {
        self.at += 1;
        let mut regex = String::from("(?:");
        while !self.take('"') {
            let c = self.character()?;
            regex.push_str(&quoted(c));
        }
        regex.push(')');
        Ok(Item::Text(regex))
    }

    fn class(&mut self) -> Result<Item, String> {
        self.at += 1;
        let mut regex = String::from(if self.take('^') { "[^" } else { "[" });
        let start = regex.len();
        while !self.take(']') {
            let first = self.character()?;
            regex.push_str(&quoted(first));
            let rest = &self.text[self.at..];
            if rest.starts_with('-') && !rest.starts_with("-]") {
                self.at += 1;
                let last = self.character()?;
                if last < first {
                    return self.fail("the range ends before it begins");
                }
                regex.push('-');
                regex.push_str(&quoted(last));
            }
        }
        if regex.len() == start {
            return self.fail("the set of characters is empty");
        }
        regex.push(']');
        Ok(Item::Text(regex))
    }

    /// `<think>` or `<[1234]>`, as llguidance writes them too.
    fn token(&mut self) -> Result<Item, String> {
        let rest = &self.text[self.at..];
        match rest.find(['>', '\n']) {
            Some(end) if rest[end..].starts_with('>') && end > 1 => {
                self.at += end + 1;
                Ok(Item::Token(rest[..=end].to_string()))
            }
            _ => self.fail("a token in angle brackets is expected"),
        }
    }

    fn character(&mut self) -> Result<char, String> {
        match self.next() {
            None | Some('\n' | '\r') => self.fail("the line ends inside quotes or brackets"),
            Some('\\') => match self.next() {
                Some('n') => Ok('\n'),
                Some('r') => Ok('\r'),
                Some('t') => Ok('\t'),
                Some(c @ ('\\' | '"' | '[' | ']')) => Ok(c),
                Some('x') => self.code(2),
                Some('u') => self.code(4),
                Some('U') => self.code(8),
                _ => self.fail("this escape is not known"),
            },
            Some(c) => Ok(c),
        }
    }

    fn code(&mut self, digits: usize) -> Result<char, String> {
        let hex = self.text.get(self.at..self.at + digits).unwrap_or("");
        let code = u32::from_str_radix(hex, 16)
            .ok()
            .filter(|_| !hex.starts_with('+'));
        match code.and_then(char::from_u32) {
            Some(c) => {
                self.at += digits;
                Ok(c)
            }
            None => self.fail("the digits are no character"),
        }
    }
}

/// A character in a regular expression between slashes.
fn quoted(c: char) -> String {
    if c.is_ascii_alphanumeric() {
        c.to_string()
    } else {
        format!("\\x{{{:X}}}", c as u32)
    }
}
