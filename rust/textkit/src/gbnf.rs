//! llama.cpp's grammars (GBNF, its grammars/README.md) in the Lark that llguidance reads.
//!
//! GBNF works on characters, llguidance on lexemes that regular expressions find, the longest
//! match first. So a rule that never leads back to itself becomes one terminal, which is exact;
//! in the others neighbouring parts that are regular become one terminal, except repetitions at
//! their end, which would swallow what follows.

use std::collections::HashMap;

use crate::gbnf_parser::{parse, Item, Parsed, Sequence};

pub fn to_lark(text: &str) -> Result<String, String> {
    let mut parsed = parse(text)?;
    for rule in 0..parsed.rules.len() {
        without_tail_recursion(&mut parsed, rule);
    }
    let regular = regular_rules(&parsed);
    let mut writer = Writer {
        regular,
        out: String::new(),
        groups: 0,
        waiting: Vec::new(),
        names: HashMap::new(),
    };
    let start = writer.rule_name(parsed.root);
    let mut lark = format!("start: {start}\n");
    while let Some(rule) = writer.waiting.pop() {
        let name = writer.rule_name(rule);
        let body = writer.body(&parsed.rules[rule], writer.regular[rule]);
        writer.out.push_str(&format!("{name}: {body}\n"));
    }
    lark.push_str(&writer.out);
    Ok(lark)
}

/// `ws ::= ([ \t] ws)?` says what `[ \t]*` does.
fn without_tail_recursion(parsed: &mut Parsed, rule: usize) {
    let mut alternatives = parsed.rules[rule].clone();
    if let [only] = alternatives.as_slice() {
        if let [Item::Repeat(inner, 0, Some(1))] = only.as_slice() {
            if let Item::Group(inner) = inner.as_ref() {
                alternatives = inner.clone();
                alternatives.push(Vec::new());
            }
        }
    }
    let is_self = |item: &Item| matches!(item, Item::Rule(r) if *r == rule);
    let (mut again, last): (Vec<Sequence>, Vec<Sequence>) = alternatives
        .into_iter()
        .partition(|a| a.last().is_some_and(is_self));
    for sequence in &mut again {
        sequence.pop();
    }
    let inside = again
        .iter()
        .chain(&last)
        .flatten()
        .any(|i| leads_to(i, rule));
    if again.is_empty() || last.is_empty() || inside || again.iter().any(Vec::is_empty) {
        return;
    }
    let repeat = Item::Repeat(Box::new(Item::Group(again)), 0, None);
    parsed.rules[rule] = vec![vec![repeat, Item::Group(last)]];
}

/// Depth is bounded by the parser; so in every recursion here.
fn leads_to(item: &Item, rule: usize) -> bool {
    match item {
        Item::Rule(r) => *r == rule,
        Item::Group(alternatives) => alternatives.iter().flatten().any(|i| leads_to(i, rule)),
        Item::Repeat(inner, _, _) => leads_to(inner, rule),
        Item::Text(_) | Item::Token(_) => false,
    }
}

fn regular_rules(parsed: &Parsed) -> Vec<bool> {
    let count = parsed.rules.len();
    let mut needs = vec![0usize; count]; // references that are not known to be regular yet
    let mut users = vec![Vec::new(); count];
    let mut ready = Vec::new();
    for (rule, alternatives) in parsed.rules.iter().enumerate() {
        let mut todo: Vec<&Item> = alternatives.iter().flatten().collect();
        while let Some(item) = todo.pop() {
            match item {
                Item::Rule(r) => {
                    needs[rule] += 1;
                    users[*r].push(rule);
                }
                Item::Group(alternatives) => todo.extend(alternatives.iter().flatten()),
                Item::Repeat(inner, _, _) => todo.push(inner),
                Item::Token(_) => needs[rule] = usize::MAX / 2, // no part of a text
                Item::Text(_) => {}
            }
        }
        if needs[rule] == 0 {
            ready.push(rule);
        }
    }
    let mut regular = vec![false; count];
    while let Some(rule) = ready.pop() {
        regular[rule] = true;
        for &user in &users[rule] {
            needs[user] -= 1;
            if needs[user] == 0 {
                ready.push(user);
            }
        }
    }
    regular
}

struct Writer {
    regular: Vec<bool>,
    out: String,
    groups: usize,
    waiting: Vec<usize>,
    names: HashMap<usize, String>,
}

impl Writer {
    /// Lark tells terminals from rules by capitals.
    fn rule_name(&mut self, rule: usize) -> String {
        let waiting = &mut self.waiting;
        let letter = if self.regular[rule] { 'T' } else { 'r' };
        let name = self.names.entry(rule).or_insert_with(|| {
            waiting.push(rule);
            format!("{letter}{rule}")
        });
        name.clone()
    }

    fn is_regular(&self, item: &Item) -> bool {
        match item {
            Item::Text(_) => true,
            Item::Token(_) => false,
            Item::Rule(r) => self.regular[*r],
            Item::Group(alternatives) => alternatives.iter().flatten().all(|i| self.is_regular(i)),
            Item::Repeat(inner, _, _) => self.is_regular(inner),
        }
    }

    fn body(&mut self, alternatives: &[Sequence], terminal: bool) -> String {
        let alternatives: Vec<String> = alternatives
            .iter()
            .map(|sequence| self.sequence(sequence, terminal))
            .collect();
        alternatives.join(" | ")
    }

    fn sequence(&mut self, items: &[Item], terminal: bool) -> String {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < items.len() {
            let rest = &items[at..];
            let mut run = 0;
            if !terminal {
                run = rest.iter().take_while(|i| self.is_regular(i)).count();
                while run > 0 && matches!(rest[run - 1], Item::Repeat(..)) {
                    run -= 1;
                }
            }
            if run > 1 {
                parts.push(self.group(&[rest[..run].to_vec()], true));
                at += run;
            } else {
                parts.push(self.element(&rest[0]));
                at += 1;
            }
        }
        if parts.is_empty() {
            parts.push("\"\"".into());
        }
        parts.join(" ")
    }

    fn element(&mut self, item: &Item) -> String {
        match item {
            Item::Text(regex) => format!("/{regex}/"),
            Item::Token(name) => name.clone(),
            Item::Rule(rule) => self.rule_name(*rule),
            Item::Group(alternatives) => self.group(alternatives, self.is_regular(item)),
            Item::Repeat(inner, least, most) => {
                let inner = self.element(inner);
                match (least, most) {
                    (_, Some(0)) => "\"\"".into(),
                    (0, None) => format!("{inner}*"),
                    (1, None) => format!("{inner}+"),
                    (0, Some(1)) => format!("{inner}?"),
                    (least, Some(most)) => format!("{inner}{{{least},{most}}}"),
                    (least, None) => format!("{inner}{{{least},}}"),
                }
            }
        }
    }

    /// As a rule of its own: Lark's parentheses may not be nested as deep as GBNF's.
    fn group(&mut self, alternatives: &[Sequence], terminal: bool) -> String {
        self.groups += 1;
        let name = format!("{}{}", if terminal { "G" } else { "g" }, self.groups);
        let body = self.body(alternatives, terminal);
        self.out.push_str(&format!("{name}: {body}\n"));
        name
    }
}
