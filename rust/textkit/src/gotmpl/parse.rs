//! Tokens to a tree.

use std::collections::HashMap;

use super::lex::{lex, Token};
use super::{DEEPEST_NESTING, MOST_SOURCE_BYTES};

#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(String, Option<Pipe>),
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub struct Branch {
    pub pipe: Pipe,
    pub list: Vec<Node>,
    pub otherwise: Option<Vec<Node>>,
}

#[derive(Clone, Debug)]
pub struct Pipe {
    pub line: usize,
    pub names: Vec<String>, // that are declared or assigned
    pub declares: bool,
    pub commands: Vec<Vec<Expr>>, // none of them empty
}

#[derive(Clone, Debug)]
pub enum Expr {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Function(String),
    Pipe(Box<Pipe>, Vec<String>), // (...).Field
}

pub struct Tree {
    pub root: Vec<Node>,
    pub defined: HashMap<String, Vec<Node>>,
}

pub fn parse(source: &str, functions: &[&str]) -> Result<Tree, String> {
    if source.len() > MOST_SOURCE_BYTES {
        return Err(format!("longer than {MOST_SOURCE_BYTES} bytes"));
    }
    let mut parser = Parser {
        tokens: lex(source)?.tokens,
        at: 0,
        functions,
        defined: HashMap::new(),
        variables: vec!["$".into()],
        depth: 0,
        loops: 0,
    };
    let (root, end) = parser.list()?;
    match end {
        End::Source => Ok(Tree {
            root,
            defined: parser.defined,
        }),
        End::Else(_) => parser.error("unexpected {{else}}"),
        End::End => parser.error("unexpected {{end}}"),
    }
}

/// What ended a list of nodes.
enum End {
    Source,
    End,
    Else(Option<String>), // with "if" or "with"
}

struct Parser<'a> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    functions: &'a [&'a str],
    defined: HashMap<String, Vec<Node>>,
    variables: Vec<String>,
    depth: usize,
    loops: usize,
}

impl Parser<'_> {
    fn error<T>(&self, what: &str) -> Result<T, String> {
        let line = self
            .tokens
            .get(self.at.min(self.tokens.len().wrapping_sub(1)));
        Err(format!("line {}: {what}", line.map_or(1, |t| t.1)))
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|t| t.0.clone());
        self.at += 1;
        token
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn skip_space(&mut self) {
        while self.peek() == Some(&Token::Space) {
            self.at += 1;
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.skip_space();
        match self.next() {
            Some(Token::Close) => Ok(()),
            _ => {
                self.at -= 1;
                self.error("unexpected words before }}")
            }
        }
    }

    fn keyword(&mut self) -> Option<String> {
        self.skip_space();
        match self.peek() {
            Some(Token::Word(word)) => {
                const WORDS: [&str; 10] = [
                    "if", "else", "end", "range", "with", "define", "template", "block", "break",
                    "continue",
                ];
                let word = word.clone();
                WORDS.contains(&word.as_str()).then(|| {
                    self.at += 1;
                    word
                })
            }
            _ => None,
        }
    }

    fn list(&mut self) -> Result<(Vec<Node>, End), String> {
        let mut nodes = Vec::new();
        loop {
            match self.next() {
                None => return Ok((nodes, End::Source)),
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                Some(_) => {
                    // Every other token here is Open: the lexer closes each action.
                    let Some(word) = self.keyword() else {
                        let pipe = self.pipe(&Token::Close)?;
                        nodes.push(Node::Action(pipe));
                        continue;
                    };
                    match word.as_str() {
                        "end" => {
                            self.close()?;
                            return Ok((nodes, End::End));
                        }
                        "else" => {
                            self.skip_space();
                            let then = self.keyword();
                            match then.as_deref() {
                                Some("if" | "with") => {}
                                Some(_) => return self.error("unexpected word after else"),
                                None => self.close()?,
                            }
                            return Ok((nodes, End::Else(then)));
                        }
                        "define" => self.define()?,
                        other => {
                            let node = self.statement(other)?;
                            nodes.push(node);
                        }
                    }
                }
            }
        }
    }

    fn statement(&mut self, word: &str) -> Result<Node, String> {
        match word {
            "if" | "with" | "range" => self.branch(word),
            "break" | "continue" => {
                self.close()?;
                if self.loops == 0 {
                    return self.error(&format!("{{{{{word}}}}} outside of {{{{range}}}}"));
                }
                Ok(match word {
                    "break" => Node::Break,
                    _ => Node::Continue,
                })
            }
            _ => {
                let name = self.name()?;
                if word == "block" {
                    let pipe = self.pipe(&Token::Close)?;
                    self.body_of(name.clone())?;
                    return Ok(Node::Template(name, Some(pipe)));
                }
                self.skip_space();
                if self.peek() == Some(&Token::Close) {
                    self.at += 1;
                    return Ok(Node::Template(name, None));
                }
                Ok(Node::Template(name, Some(self.pipe(&Token::Close)?)))
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        self.skip_space();
        match self.next() {
            Some(Token::Str(name)) => Ok(name),
            _ => self.error("the name of a template must be a string"),
        }
    }

    fn define(&mut self) -> Result<(), String> {
        let name = self.name()?;
        self.close()?;
        if self.depth > 0 {
            return self.error("{{define}} inside of another block");
        }
        self.body_of(name)
    }

    /// The body of a {{define}} or {{block}}: it sees no variables but $, and no loop around it.
    fn body_of(&mut self, name: String) -> Result<(), String> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let loops = std::mem::take(&mut self.loops);
        self.deeper()?;
        let (nodes, end) = self.list()?;
        self.depth -= 1;
        (self.variables, self.loops) = (variables, loops);
        if !matches!(end, End::End) {
            return self.error("{{end}} is missing");
        }
        self.defined.insert(name, nodes);
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST_NESTING {
            return self.error("nested too deeply");
        }
        Ok(())
    }

    fn branch(&mut self, word: &str) -> Result<Node, String> {
        self.deeper()?;
        let variables = self.variables.len();
        let pipe = self.pipe_in(&Token::Close, word == "range")?;
        self.loops += usize::from(word == "range");
        let (list, mut end) = self.list()?;
        self.loops -= usize::from(word == "range");
        let mut otherwise = None;
        if let End::Else(then) = end {
            otherwise = match then {
                // {{else if}} needs no {{end}} of its own: that of the whole ends it too.
                Some(then) if word != "range" => {
                    end = End::End;
                    Some(vec![self.branch(&then)?])
                }
                Some(_) => return self.error("unexpected word after else"),
                None => {
                    let (nodes, after) = self.list()?;
                    end = after;
                    Some(nodes)
                }
            };
        }
        if !matches!(end, End::End) {
            return self.error("{{end}} is missing");
        }
        self.variables.truncate(variables);
        self.depth -= 1;
        let branch = Branch {
            pipe,
            list,
            otherwise,
        };
        Ok(match word {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    fn pipe(&mut self, end: &Token) -> Result<Pipe, String> {
        self.pipe_in(end, false)
    }

    fn pipe_in(&mut self, end: &Token, in_range: bool) -> Result<Pipe, String> {
        self.skip_space();
        let mut pipe = Pipe {
            line: self.tokens.get(self.at).map_or(1, |t| t.1),
            names: Vec::new(),
            declares: false,
            commands: Vec::new(),
        };
        self.declaration(&mut pipe, in_range)?;
        let mut command = Vec::new();
        loop {
            self.skip_space();
            match self.next() {
                Some(token) if token == *end => break,
                Some(Token::Pipe) if !command.is_empty() => {
                    pipe.commands.push(std::mem::take(&mut command));
                    self.skip_space();
                    if self.peek() == Some(end) {
                        return self.error("nothing stands after |");
                    }
                }
                Some(token) => command.push(self.operand(token)?),
                None => return self.error("an action is not closed"),
            }
        }
        if command.is_empty() {
            self.at -= 1;
            return self.error("a value is missing");
        }
        pipe.commands.push(command);
        self.check(&pipe)?;
        if pipe.declares {
            self.variables.extend(pipe.names.iter().cloned());
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =`, in a range also `$i, $x :=`.
    fn declaration(&mut self, pipe: &mut Pipe, in_range: bool) -> Result<(), String> {
        let start = self.at;
        let mut names = Vec::new();
        while let Some(Token::Variable(name)) = self.peek().cloned() {
            self.at += 1;
            names.push(name);
            self.skip_space();
            match self.peek() {
                Some(Token::Comma) if in_range && names.len() == 1 => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(Token::Declare | Token::Assign) => {
                    pipe.declares = self.peek() == Some(&Token::Declare);
                    self.at += 1;
                    if !pipe.declares {
                        for name in &names {
                            self.known(name)?;
                        }
                    }
                    pipe.names = names;
                    return Ok(());
                }
                _ => break,
            }
        }
        self.at = start;
        Ok(())
    }

    fn known(&self, name: &String) -> Result<(), String> {
        if self.variables.contains(name) {
            return Ok(());
        }
        self.error(&format!("undefined variable {name}"))
    }

    fn check(&self, pipe: &Pipe) -> Result<(), String> {
        for (i, command) in pipe.commands.iter().enumerate() {
            if matches!(command[0], Expr::Nil) {
                return self.error("nil is not a command");
            }
            let is_function = matches!(command[0], Expr::Function(_));
            if (i > 0 || command.len() > 1) && !is_function {
                return self.error("arguments are given to what is no function");
            }
        }
        Ok(())
    }

    fn operand(&mut self, token: Token) -> Result<Expr, String> {
        let expr = match token {
            Token::Dot => Expr::Dot,
            Token::Field(name) => Expr::Field(self.fields(vec![name])),
            Token::Variable(name) => {
                self.known(&name)?;
                let fields = self.fields(Vec::new());
                Expr::Variable(name, fields)
            }
            Token::Str(text) => Expr::Str(text),
            Token::Int(number) => Expr::Int(number),
            Token::Float(number) => Expr::Float(number),
            Token::LeftParen => {
                self.deeper()?;
                let pipe = self.pipe(&Token::RightParen)?;
                self.depth -= 1;
                let fields = self.fields(Vec::new());
                Expr::Pipe(Box::new(pipe), fields)
            }
            Token::Word(word) => match word.as_str() {
                "true" => Expr::Bool(true),
                "false" => Expr::Bool(false),
                "nil" => Expr::Nil,
                _ if self.functions.contains(&word.as_str()) => Expr::Function(word),
                _ => {
                    self.at -= 1;
                    return self.error(&format!("function {word:?} not defined"));
                }
            },
            _ => {
                self.at -= 1;
                return self.error("unexpected sign in an action");
            }
        };
        match self.peek() {
            None
            | Some(Token::Space | Token::Close | Token::RightParen | Token::Pipe | Token::Comma) => {
                Ok(expr)
            }
            _ => self.error("a space is missing between two values"),
        }
    }

    fn fields(&mut self, mut names: Vec<String>) -> Vec<String> {
        while let Some(Token::Field(name)) = self.peek() {
            names.push(name.clone());
            self.at += 1;
        }
        names
    }
}
