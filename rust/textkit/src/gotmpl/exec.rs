//! Runs a tree, within bounds on steps, depth and output.

use std::rc::Rc;

use super::functions;
use super::parse::{Branch, Expr, Node, Pipe, Tree};
use super::value::Value;
use super::{DEEPEST_CALL, MOST_OUTPUT_BYTES, MOST_STEPS};

/// How a list of nodes ended.
enum Flow {
    On,
    Break,
    Continue,
}

pub struct Exec<'a> {
    tree: &'a Tree,
    out: &'a mut String,
    variables: Vec<(String, Value)>,
    steps: &'a mut u64,
    calls: usize,
}

/// Appends what `nodes`, of `tree`, make of `data`. `steps` counts on over the runs of a request.
pub fn run(
    tree: &Tree,
    nodes: &[Node],
    data: &Value,
    out: &mut String,
    steps: &mut u64,
) -> Result<(), String> {
    let mut exec = Exec {
        tree,
        out,
        variables: vec![("$".into(), data.clone())],
        steps,
        calls: 0,
    };
    exec.list(nodes, data).map(|_| ())
}

impl Exec<'_> {
    fn step(&mut self, cost: usize) -> Result<(), String> {
        *self.steps += 1 + cost as u64 / 64;
        if *self.steps > MOST_STEPS {
            return Err(format!("more than {MOST_STEPS} steps"));
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        if self.out.len() + text.len() > MOST_OUTPUT_BYTES {
            return Err(format!(
                "the result is longer than {MOST_OUTPUT_BYTES} bytes"
            ));
        }
        self.step(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            self.step(0)?;
            match node {
                Node::Text(text) => self.write(text)?,
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.names.is_empty() {
                        self.write(&value.print())?;
                    }
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
                Node::Template(name, pipe) => self.template(name, pipe.as_ref(), dot)?,
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                    let mark = self.variables.len();
                    let flow = match node {
                        Node::Range(_) => self.range(branch, dot)?,
                        _ => {
                            let value = self.pipe(&branch.pipe, dot)?;
                            let inside = match node {
                                Node::With(_) => &value,
                                _ => dot,
                            };
                            match (&branch.otherwise, value.is_true()) {
                                (_, true) => self.list(&branch.list, inside)?,
                                (Some(otherwise), false) => self.list(otherwise, dot)?,
                                (None, false) => Flow::On,
                            }
                        }
                    };
                    self.variables.truncate(mark);
                    if !matches!(flow, Flow::On) {
                        return Ok(flow);
                    }
                }
            }
        }
        Ok(Flow::On)
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, String> {
        let pipe = &branch.pipe;
        let value = self.value(pipe, dot)?;
        let at = |e: String| format!("line {}: {e}", pipe.line);
        let mark = self.variables.len();
        if pipe.declares {
            for name in &pipe.names {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        let mark_inside = self.variables.len();
        let count = match &value {
            Value::List(items, _) => items.len(),
            Value::Map(members, _) => members.len(),
            Value::Int(count) => usize::try_from(*count).unwrap_or(0),
            Value::Nil => 0,
            other => return Err(at(format!("range can't iterate over {}", other.kind()))),
        };
        if matches!(value, Value::Int(_)) && pipe.names.len() > 1 {
            return Err(at("a number gives no more than one variable".into()));
        }
        for i in 0..count {
            self.step(0)?;
            let (key, item) = match &value {
                Value::List(items, _) => (Value::Int(i as i64), items[i].clone()),
                Value::Map(members, _) => (Value::text(&members[i].0), members[i].1.clone()),
                _ => (Value::Int(i as i64), Value::Int(i as i64)),
            };
            match &pipe.names[..] {
                [] => {}
                [one] => self.set(one, item.clone()),
                [first, second, ..] => {
                    self.set(first, key);
                    self.set(second, item.clone());
                }
            }
            let flow = self.list(&branch.list, &item)?;
            self.variables.truncate(mark_inside);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        self.variables.truncate(mark);
        match &branch.otherwise {
            Some(otherwise) if count == 0 => self.list(otherwise, dot),
            _ => Ok(Flow::On),
        }
    }

    fn template(&mut self, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Result<(), String> {
        let data = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let tree = self.tree;
        let nodes = tree
            .defined
            .get(name)
            .ok_or(format!("template {name:?} not defined"))?;
        if self.calls == DEEPEST_CALL {
            return Err("templates call each other too deeply".into());
        }
        self.calls += 1;
        let variables = std::mem::replace(&mut self.variables, vec![("$".into(), data.clone())]);
        self.list(nodes, &data)?;
        self.variables = variables;
        self.calls -= 1;
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some(variable) = self.variables.iter_mut().rev().find(|v| v.0 == name) {
            variable.1 = value;
        }
    }

    /// The pipeline's value, which its variable gets, if there is one.
    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let value = self.value(pipe, dot)?;
        for name in &pipe.names {
            if pipe.declares {
                self.variables.push((name.clone(), value.clone()));
            } else {
                self.set(name, value.clone());
            }
        }
        Ok(value)
    }

    fn value(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let mut piped = None;
        for command in &pipe.commands {
            let value =
                self.command(command, dot, piped)
                    .map_err(|e| match e.starts_with("line ") {
                        true => e,
                        false => format!("line {}: {e}", pipe.line),
                    })?;
            piped = Some(value);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &[Expr],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, String> {
        self.step(0)?;
        let Expr::Function(name) = &command[0] else {
            return self.expr(&command[0], dot);
        };
        if name == "and" || name == "or" {
            return self.short_circuit(name == "or", &command[1..], dot, piped);
        }
        let mut args = Vec::new();
        for arg in &command[1..] {
            args.push(self.expr(arg, dot)?);
        }
        args.extend(piped);
        // What a function looks at takes time, also where its result is short.
        self.step(args.iter().map(Value::len).sum())?;
        let value = functions::call(name, &args)?;
        if let Value::Str(text) = &value {
            self.step(text.len())?;
            if text.len() > MOST_OUTPUT_BYTES {
                return Err(format!("a text is longer than {MOST_OUTPUT_BYTES} bytes"));
            }
        }
        Ok(value)
    }

    fn short_circuit(
        &mut self,
        or: bool,
        args: &[Expr],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, String> {
        let mut last = None;
        for arg in args {
            let value = self.expr(arg, dot)?;
            if value.is_true() == or {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or(format!(
            "wrong number of args for {}: want at least 1 got 0",
            if or { "or" } else { "and" }
        ))
    }

    fn expr(&mut self, expr: &Expr, dot: &Value) -> Result<Value, String> {
        let fields = |value: Value, names: &[String]| -> Result<Value, String> {
            names
                .iter()
                .try_fold(value, |value, name| value.field(name))
        };
        self.step(match expr {
            Expr::Str(text) => text.len(),
            _ => 0,
        })?;
        match expr {
            Expr::Dot => Ok(dot.clone()),
            Expr::Nil => Ok(Value::Nil),
            Expr::Bool(b) => Ok(Value::Bool(*b)),
            Expr::Int(i) => Ok(Value::Int(*i)),
            Expr::Float(f) => Ok(Value::Float(*f)),
            Expr::Str(text) => Ok(Value::Str(Rc::from(text.as_str()))),
            Expr::Field(names) => fields(dot.clone(), names),
            Expr::Variable(name, names) => {
                let found = self.variables.iter().rev().find(|v| v.0 == *name);
                let value = found.map(|v| v.1.clone());
                fields(value.ok_or(format!("undefined variable: {name}"))?, names)
            }
            Expr::Function(_) => self.command(std::slice::from_ref(expr), dot, None),
            Expr::Pipe(pipe, names) => {
                let value = self.value(pipe, dot)?;
                fields(value, names)
            }
        }
    }
}
