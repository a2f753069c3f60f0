//! Grammars that an answer must follow, with the `llguidance` crate: which tokens may come next,
//! which must, and when it is complete.

use std::sync::Arc;

use llguidance::api::{GrammarWithLexer, ParserLimits, StopReason, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{
    InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv, INVALID_TOKEN,
};
use llguidance::{Matcher, ParserFactory};

use crate::schema;
use crate::tokenizer::{Tokenizer, TOKEN_EXISTS, TOKEN_SPECIAL};
use crate::{gbnf, lark};

pub const LARK: i32 = 0;
pub const GBNF: i32 = 1;
pub const JSON_SCHEMA: i32 = 2;
pub const REGEX: i32 = 3;

/// Of the text of a grammar. Schemas of whole APIs have some hundred KB.
const MAX_TEXT: usize = 1 << 20;

/// The trie keeps at most 1,024 bytes of a token; longer ones are never allowed.
const MAX_TOKEN_BYTES: usize = 1000;

/// llguidance recurses on what the grammar nests (rules in rules, $ref in $ref). The pages are
/// only reserved.
const STACK: usize = 256 << 20;

/// A character that no token holds together with others where bytes have tokens of their own.
const ALONE: char = '\u{2}';

pub struct Grammars {
    factory: ParserFactory,
}

struct Env {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

/// The state of one answer.
pub struct Grammar {
    matcher: Matcher,
}

impl Grammars {
    /// For a model whose logits are `vocab` long, which may be more or less than the tokenizer
    /// knows. Takes some hundred milliseconds.
    pub fn new(tokenizer: Arc<Tokenizer>, vocab: u32, eos: &[u32]) -> Result<Self, String> {
        let words = words(&tokenizer, vocab);
        let known = |id: &TokenId| words.get(*id as usize).is_some_and(|w| !w.is_empty());
        let mut eos: Vec<TokenId> = eos.iter().copied().filter(known).collect();
        let info = TokRxInfo::new(vocab, eos.first().copied().unwrap_or(INVALID_TOKEN));
        let mut trie = TokTrie::from(&info, &words);
        eos.dedup();
        if eos.len() > 1 {
            trie = trie.with_eos_tokens(&eos);
        }
        let env: TokEnv = Arc::new(Env { tokenizer, trie });
        let caps = InferenceCapabilities {
            ff_tokens: true,
            ..Default::default()
        };
        let mut factory = ParserFactory::new(&env, caps, &SlicedBiasComputer::general_slices())
            .map_err(|e| clean(&e.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_lexer_states: 50_000, // 1 to 2 KB each
            max_grammar_size: 250_000,
            verbose_errors: false,
            ..Default::default()
        };
        Ok(Grammars { factory })
    }

    pub fn compile(&self, kind: i32, text: &[u8]) -> Result<Grammar, String> {
        if text.len() > MAX_TEXT {
            return Err(format!(
                "it has {} bytes, and {MAX_TEXT} are the most",
                text.len()
            ));
        }
        let text = std::str::from_utf8(text)
            .map_err(|e| format!("it is not valid UTF-8 at byte {}", e.valid_up_to()))?;
        let grammar = match kind {
            LARK => TopLevelGrammar::from_lark(lark::with_prepared_schemas(text)?),
            GBNF => TopLevelGrammar::from_lark(gbnf::to_lark(text)?),
            JSON_SCHEMA => TopLevelGrammar::from_json_schema(schema::prepare(text)?),
            REGEX => regex(text)?,
            _ => return Err("it is of an unknown kind".into()),
        };
        let matcher = deep(|| {
            let mut matcher = Matcher::new(self.factory.create_parser(grammar));
            // What is too much from the start is refused here, and not while an answer is written.
            let first = matcher.compute_mask_or_eos();
            first.map(|_| matcher).map_err(|e| clean(&e.to_string()))
        })??;
        Ok(Grammar { matcher })
    }
}

impl Grammar {
    /// Bit i % 32 of word i / 32: token i may come next. Where the grammar is complete, the ends.
    pub fn mask(&mut self, words: &mut [u32]) -> Result<(), String> {
        let mask = self.matcher.compute_mask_or_eos();
        let mask = mask.map_err(|e| clean(&e.to_string()))?;
        let bits = mask.as_slice();
        let common = bits.len().min(words.len());
        words[..common].copy_from_slice(&bits[..common]);
        words[common..].fill(0);
        Ok(())
    }

    pub fn accept(&mut self, token: u32) -> Result<(), String> {
        let accepted = self.matcher.consume_token(token);
        accepted.map_err(|e| clean(&e.to_string()))
    }

    /// The tokens that must come next, as the tokenizer would write them.
    pub fn forced(&mut self) -> Result<Vec<u32>, String> {
        let forced = self.matcher.compute_ff_tokens();
        match self.matcher.get_error() {
            Some(e) => Err(clean(&e)),
            None => Ok(forced),
        }
    }

    /// Nothing but the end can follow.
    pub fn is_complete(&self) -> bool {
        matches!(
            self.matcher.stop_reason(),
            StopReason::NoExtension | StopReason::EndOfSentence
        )
    }
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.encode(text)
                .unwrap_or_else(|| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }
}

impl Env {
    /// The tokens of a text in the middle of another one, if the tokenizer has them.
    fn encode(&self, text: &str) -> Option<Vec<TokenId>> {
        let ids = if self.tokenizer.vocab().strip_leading_space {
            // At the start of a text it would put a space before it.
            let mut ids = self
                .tokenizer
                .encode(&format!("{ALONE}{text}"), false, false);
            let alone = [ALONE as u8];
            if let Ok(ids) = &mut ids {
                let at = ids.iter().position(|id| self.trie.token(*id) == alone)?;
                ids.drain(..=at);
            }
            ids
        } else {
            self.tokenizer.encode(text, false, false)
        };
        let ids = ids.ok()?;
        let known = ids.iter().all(|id| (*id as usize) < self.trie.vocab_size());
        (known && self.trie.decode_raw(&ids) == text.as_bytes()).then_some(ids)
    }
}

/// What each token adds to the text. A special one is no text: it is marked, and a grammar calls
/// it by its name in angle brackets, `[TOOL_CALLS]` too: `<TOOL_CALLS>`.
fn words(tokenizer: &Tokenizer, vocab: u32) -> Vec<Vec<u8>> {
    let table = tokenizer.vocab();
    let word = |id: usize| {
        let flags = table.flags.get(id).copied().unwrap_or(0);
        if flags & TOKEN_EXISTS == 0 {
            return Vec::new();
        }
        let bytes = &table.bytes[table.offsets[id] as usize..table.offsets[id + 1] as usize];
        let mut word = Vec::new();
        if flags & TOKEN_SPECIAL != 0 {
            word.push(TokTrie::SPECIAL_TOKEN_MARKER);
            if bytes.starts_with(b"<") && bytes.ends_with(b">") {
                word.extend_from_slice(bytes);
            } else {
                let name = bytes.strip_prefix(b"[").unwrap_or(bytes);
                word.push(b'<');
                word.extend_from_slice(name.strip_suffix(b"]").unwrap_or(name));
                word.push(b'>');
            }
        } else if bytes.first() != Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
            word.extend_from_slice(bytes);
        }
        word.truncate(if word.len() > MAX_TOKEN_BYTES {
            0
        } else {
            word.len()
        });
        word
    };
    (0..vocab as usize).map(word).collect()
}

fn regex(text: &str) -> Result<TopLevelGrammar, String> {
    let slashes = text.len() - text.trim_end_matches('\\').len();
    if text.is_empty() || slashes % 2 == 1 {
        return Err("the regular expression is empty or ends in the middle of an escape".into());
    }
    Ok(TopLevelGrammar::from_grammar(GrammarWithLexer::from_regex(
        text,
    )))
}

/// Runs `work` where a deep grammar finds room.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work);
        let thread = thread.map_err(|e| format!("no thread to compile it: {e}"))?;
        thread
            .join()
            .map_err(|_| "the grammar library failed".to_string())
    })
}

/// One line, without the library's own state.
fn clean(message: &str) -> String {
    let end = message.find("\n<").unwrap_or(message.len());
    let words: Vec<&str> = message[..end].split_whitespace().collect();
    let mut line = words.join(" ");
    if line.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|i| line.is_char_boundary(*i));
        line.truncate(end.unwrap_or(0));
        line.push_str("...");
    }
    line
}

const MAX_MESSAGE: usize = 500;
