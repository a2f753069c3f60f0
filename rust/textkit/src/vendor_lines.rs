//! The lines of AXERA's text form of a tokenizer, read one after the other; what does not fit is
//! an error that names its line.

use crate::tokenizer::MAX_ID;

pub struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        Lines {
            rest: text,
            number: 0,
        }
    }

    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn next(&mut self) -> Result<&'a str, String> {
        if self.rest.is_empty() {
            return Err(format!(
                "the file ends after line {}: copy it again",
                self.number
            ));
        }
        self.number += 1;
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Ok(line.strip_suffix('\r').unwrap_or(line))
    }

    pub fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("line {} does not hold {what}", self.number))
    }

    pub fn numbers(&mut self, count: usize, what: &str) -> Result<Vec<u32>, String> {
        let line = self.next()?;
        let found: Result<Vec<u32>, _> = line.split_whitespace().map(str::parse).collect();
        match found {
            Ok(numbers) if numbers.len() == count => Ok(numbers),
            _ => self.wrong(what),
        }
    }

    pub fn count(&mut self) -> Result<usize, String> {
        let count = self.numbers(1, "the size of the vocabulary")?[0];
        self.check(count)
    }

    /// A size that a vocabulary can have.
    pub fn check(&self, count: u32) -> Result<usize, String> {
        if count == 0 || count > MAX_ID {
            return Err(format!("{count} tokens are no vocabulary"));
        }
        Ok(count as usize)
    }

    pub fn base64(&mut self) -> Result<Vec<u8>, String> {
        let line = self.next()?;
        decode_base64(line.trim_end()).map_or_else(|| self.wrong("base64"), Ok)
    }
}

pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut have) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out)
}
