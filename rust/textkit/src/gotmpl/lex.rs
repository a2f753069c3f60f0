//! Text and the tokens of actions, with Go's trim markers and comments.

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Text(String),
    Open,  // {{
    Close, // }}
    Space,
    Dot,
    Field(String),    // .Name
    Variable(String), // $ or $name
    Word(String),     // an identifier or keyword
    Str(String),
    Int(i64),
    Float(f64),
    LeftParen,
    RightParen,
    Pipe,
    Declare, // :=
    Assign,
    Comma,
}

pub struct Lexed {
    pub tokens: Vec<(Token, usize)>, // with the line
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<(Token, usize)>,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

pub fn lex(source: &str) -> Result<Lexed, String> {
    let mut lexer = Lexer {
        source,
        at: 0,
        line: 1,
        tokens: Vec::new(),
    };
    lexer.run()?;
    Ok(Lexed {
        tokens: lexer.tokens,
    })
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn skip(&mut self, bytes: usize) {
        let part = &self.source[self.at..self.at + bytes];
        self.line += part.matches('\n').count();
        self.at += bytes;
    }

    fn error<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("line {}: {what}", self.line))
    }

    fn run(&mut self) -> Result<(), String> {
        let mut trim_left = false;
        loop {
            let rest = self.rest();
            let open = rest.find("{{");
            let mut text = &rest[..open.unwrap_or(rest.len())];
            let text_bytes = text.len();
            let after = open.map_or("", |at| &rest[at + 2..]);
            let trims = after.starts_with('-') && after[1..].starts_with(SPACES);
            if trim_left {
                text = text.trim_start_matches(SPACES);
            }
            if trims {
                text = text.trim_end_matches(SPACES);
            }
            if !text.is_empty() {
                let token = Token::Text(text.to_string());
                self.tokens.push((token, self.line));
            }
            self.skip(text_bytes);
            if open.is_none() {
                return Ok(());
            }
            self.skip(2 + usize::from(trims));
            trim_left = self.action()?;
        }
    }

    /// From after {{ to after }}; whether it trims the text that follows.
    fn action(&mut self) -> Result<bool, String> {
        let trimmed = self.rest().trim_start_matches(SPACES);
        if trimmed.starts_with("/*") {
            return self.comment();
        }
        self.tokens.push((Token::Open, self.line));
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else {
                return self.error("an action is not closed: }} is missing");
            };
            if rest.starts_with("}}") {
                self.tokens.push((Token::Close, self.line));
                self.skip(2);
                return Ok(false);
            }
            if SPACES.contains(&c) {
                let spaces = rest.len() - rest.trim_start_matches(SPACES).len();
                let trims = rest[spaces..].starts_with("-}}");
                self.skip(spaces);
                if trims {
                    self.tokens.push((Token::Close, self.line));
                    self.skip(3);
                    return Ok(true);
                }
                self.tokens.push((Token::Space, self.line));
                continue;
            }
            let line = self.line;
            let (token, bytes) = self.token(c)?;
            self.tokens.push((token, line));
            self.skip(bytes);
        }
    }

    fn comment(&mut self) -> Result<bool, String> {
        let Some(end) = self.rest().find("*/") else {
            return self.error("a comment is not closed: */ is missing");
        };
        self.skip(end + 2);
        let trims = self.rest().starts_with(SPACES);
        let rest = self.rest().trim_start_matches(SPACES);
        let spaces = self.rest().len() - rest.len();
        if trims && rest.starts_with("-}}") {
            self.skip(spaces + 3);
            return Ok(true);
        }
        if spaces == 0 && rest.starts_with("}}") {
            self.skip(2);
            return Ok(false);
        }
        self.error("a comment must end its action: */}}")
    }

    fn token(&self, c: char) -> Result<(Token, usize), String> {
        let rest = self.rest();
        let word = |from: usize| -> usize {
            rest[from..]
                .find(|c| !is_word(c))
                .map_or(rest.len(), |end| from + end)
        };
        match c {
            '(' => Ok((Token::LeftParen, 1)),
            ')' => Ok((Token::RightParen, 1)),
            '|' => Ok((Token::Pipe, 1)),
            ',' => Ok((Token::Comma, 1)),
            '=' => Ok((Token::Assign, 1)),
            ':' if rest.starts_with(":=") => Ok((Token::Declare, 2)),
            '"' => self.quoted(),
            '`' => match rest[1..].find('`') {
                Some(end) => Ok((Token::Str(rest[1..1 + end].to_string()), end + 2)),
                None => self.error("a `string` is not closed"),
            },
            '\'' => {
                let (token, bytes) = self.quoted()?;
                match token {
                    Token::Str(text) if text.chars().count() == 1 => Ok((
                        Token::Int(text.chars().next().map_or(0, |c| c as i64)),
                        bytes,
                    )),
                    _ => self.error("a character constant must hold one character"),
                }
            }
            '$' => {
                let end = word(1);
                Ok((Token::Variable(rest[..end].to_string()), end))
            }
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let end = word(1);
                match end {
                    1 => Ok((Token::Dot, 1)),
                    _ => Ok((Token::Field(rest[1..end].to_string()), end)),
                }
            }
            '+' | '-' | '.' | '0'..='9' => self.number(),
            c if is_word(c) => {
                let end = word(0);
                Ok((Token::Word(rest[..end].to_string()), end))
            }
            c => self.error(&format!("unexpected {c:?} in an action")),
        }
    }

    fn number(&self) -> Result<(Token, usize), String> {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .position(|(i, c)| {
                let exponent = i > 0 && matches!(rest.as_bytes()[i - 1], b'e' | b'E');
                !(is_word(c) || c == '.' || ((c == '+' || c == '-') && (i == 0 || exponent)))
            })
            .unwrap_or(rest.chars().count());
        let text: String = rest.chars().take(end).collect();
        let digits = text.replace('_', "");
        let (sign, magnitude) = match digits.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, digits.strip_prefix('+').unwrap_or(&digits)),
        };
        let radix = |prefix: &str, radix| {
            let (start, lower) = (magnitude.get(..2)?, magnitude.to_lowercase());
            (start.to_lowercase() == prefix)
                .then(|| i64::from_str_radix(&lower[2..], radix).ok())
                .flatten()
        };
        let whole = radix("0x", 16)
            .or_else(|| radix("0b", 2))
            .or_else(|| radix("0o", 8))
            .or_else(|| magnitude.parse::<i64>().ok());
        if let Some(whole) = whole.filter(|w| *w >= 0) {
            return Ok((Token::Int(sign * whole), text.len()));
        }
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((Token::Float(number), text.len())),
            _ => self.error(&format!("bad number {text:?}")),
        }
    }

    /// A "string" or 'character' with Go's escapes.
    fn quoted(&self) -> Result<(Token, usize), String> {
        let rest = self.rest();
        let mut chars = rest.char_indices();
        let quote = chars.next().map_or('"', |(_, c)| c);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => return Ok((Token::Str(text), at + 1)),
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 'a')) => text.push('\u{7}'),
                    Some((_, 'b')) => text.push('\u{8}'),
                    Some((_, 'f')) => text.push('\u{c}'),
                    Some((_, 'v')) => text.push('\u{b}'),
                    Some((_, c @ ('\\' | '"' | '\''))) => text.push(c),
                    Some((_, c @ ('x' | 'u' | 'U'))) => {
                        let digits = match c {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&hex, 16)
                            .ok()
                            .filter(|_| hex.len() == digits);
                        match code.and_then(char::from_u32) {
                            Some(c) if c.is_ascii() || digits > 2 => text.push(c),
                            _ => return self.error("bad escape in a string"),
                        }
                    }
                    _ => return self.error("bad escape in a string"),
                },
                c => text.push(c),
            }
        }
        self.error("a string is not closed")
    }
}
