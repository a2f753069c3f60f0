//! How Ollama renders a template, also one that knows no .Messages.
//!
//! Source: Ollama 0.33, template/template.go (Parse, Execute, deleteNode).

use std::rc::Rc;

use serde_json::Value as Json;

use super::given::{collate, message_values, text_of, tools};
use super::parse::{parse, Expr, Node, Pipe, Tree};
use super::value::{Print, Value};
use super::{exec, functions};

pub struct GoTemplate {
    tree: Tree,
    by_turns: bool, // it knows no .Messages
    cut: Vec<Node>, // up to .Response: of the last turn, when by_turns
}

#[derive(Default)]
struct Turn {
    system: String,
    prompt: String,
    response: String,
}

impl GoTemplate {
    pub fn compile(source: &str) -> Result<Self, String> {
        let wrong = |e| format!("the template does not compile: {e}");
        let mut tree = parse(source, &functions::NAMES).map_err(wrong)?;
        let mut names = Vec::new();
        let all = std::iter::once(&tree.root).chain(tree.defined.values());
        all.for_each(|nodes| identifiers(nodes, &mut names));
        let by_turns = !names.iter().any(|name| name == "messages");
        if by_turns && !names.iter().any(|name| name == "response") {
            tree.root.push(Node::Action(Pipe {
                line: 1,
                names: Vec::new(),
                declares: false,
                commands: vec![vec![Expr::Field(vec!["Response".into()])]],
            }));
        }
        let cut = cut_list(&tree.root, &mut false);
        Ok(GoTemplate {
            tree,
            by_turns,
            cut,
        })
    }

    /// `request`: a JSON object with messages and tools as transformers has them, or prompt and
    /// suffix; think, think_level, is_think_set.
    pub fn render(&self, request: &[u8]) -> Result<String, String> {
        let request: Json = serde_json::from_slice(request)
            .map_err(|e| format!("the template's context is not valid JSON: {e}"))?;
        let mut out = String::new();
        self.execute(&request, &mut out)
            .map_err(|e| format!("the template failed: {e}"))?;
        Ok(out)
    }

    fn execute(&self, request: &Json, out: &mut String) -> Result<(), String> {
        let text = |key| text_of(request, key);
        let think = [
            (
                "Think",
                Value::Bool(request["think"].as_bool().unwrap_or(false)),
            ),
            ("ThinkLevel", Value::text(&text("think_level"))),
            (
                "IsThinkSet",
                Value::Bool(request["is_think_set"].as_bool().unwrap_or(false)),
            ),
        ];
        let data = |more: &[(&str, Value)]| {
            let members = more.iter().chain(&think);
            let mut members: Vec<(String, Value)> =
                members.map(|(k, v)| (k.to_string(), v.clone())).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Map(Rc::new(members), Print::Go)
        };
        let (prompt, suffix) = (text("prompt"), text("suffix"));
        let mut steps = 0;
        if !prompt.is_empty() && !suffix.is_empty() {
            let data = data(&[
                ("Prompt", Value::text(&prompt)),
                ("Suffix", Value::text(&suffix)),
                ("Response", Value::text("")),
            ]);
            return exec::run(&self.tree, &self.tree.root, &data, out, &mut steps);
        }
        let (system, messages) = collate(&request["messages"]);
        if !self.by_turns {
            let data = data(&[
                ("System", Value::text(&system)),
                ("Messages", message_values(messages)),
                ("Tools", tools(&request["tools"])?),
                ("Response", Value::text("")),
            ]);
            return exec::run(&self.tree, &self.tree.root, &data, out, &mut steps);
        }
        let turn_data = |turn: &Turn| {
            data(&[
                ("System", Value::text(&turn.system)),
                ("Prompt", Value::text(&turn.prompt)),
                ("Response", Value::text(&turn.response)),
            ])
        };
        let mut turn = Turn::default();
        for message in messages {
            let before = match message.role.as_str() {
                "system" => !turn.prompt.is_empty() || !turn.response.is_empty(),
                "user" => !turn.response.is_empty(),
                _ => false,
            };
            if before {
                exec::run(
                    &self.tree,
                    &self.tree.root,
                    &turn_data(&turn),
                    out,
                    &mut steps,
                )?;
                turn = Turn::default();
            }
            match message.role.as_str() {
                "system" => turn.system = message.content,
                "user" => turn.prompt = message.content,
                "assistant" => turn.response = message.content,
                _ => {}
            }
        }
        exec::run(&self.tree, &self.cut, &turn_data(&turn), out, &mut steps)
    }
}

/// The names that a template uses, in lower case.
fn identifiers(nodes: &[Node], names: &mut Vec<String>) {
    for node in nodes {
        match node {
            Node::Action(pipe) | Node::Template(_, Some(pipe)) => names_of(pipe, names),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                names_of(&branch.pipe, names);
                identifiers(&branch.list, names);
                identifiers(branch.otherwise.as_deref().unwrap_or_default(), names);
            }
            _ => {}
        }
    }
}

fn names_of(pipe: &Pipe, names: &mut Vec<String>) {
    for expr in pipe.commands.iter().flatten() {
        match expr {
            Expr::Field(fields) | Expr::Variable(_, fields) => {
                names.extend(fields.iter().map(|f| f.to_lowercase()))
            }
            Expr::Pipe(pipe, _) => names_of(pipe, names),
            _ => {}
        }
    }
}

/// The nodes up to the first action that has .Response in it, that one included.
fn cut_list(nodes: &[Node], cut: &mut bool) -> Vec<Node> {
    let mut kept = Vec::new();
    for node in nodes {
        if *cut {
            break;
        }
        let mut node = node.clone();
        match &mut node {
            Node::Action(pipe) => cut_pipe(pipe, cut),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                branch.list = cut_list(&branch.list, cut);
                branch.otherwise = match branch.otherwise.take() {
                    Some(otherwise) => Some(cut_list(&otherwise, cut)),
                    None => None,
                };
            }
            _ => {}
        }
        kept.push(node);
    }
    kept
}

fn cut_pipe(pipe: &mut Pipe, cut: &mut bool) {
    let has_response = |exprs: &[Expr]| {
        exprs.iter().position(|expr| match expr {
            Expr::Field(fields) => fields.iter().any(|f| f == "Response"),
            _ => false,
        })
    };
    for (i, command) in pipe.commands.iter_mut().enumerate() {
        if let Some(at) = has_response(command) {
            *cut = true;
            command.truncate(at + 1);
            pipe.commands.truncate(i + 1);
            return;
        }
    }
}
