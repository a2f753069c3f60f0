//! The C ABI declared in textkit.h. This file holds all `unsafe` code of the crate: it turns
//! pointers into slices, catches panics and hands buffers over; the work is in the modules.

mod gbnf;
mod gbnf_parser;
mod grammar;
mod gotmpl;
mod hf_form;
mod lark;
mod pyjson;
mod pymethods;
mod schema;
mod splitter;
mod template;
mod tokenizer;
mod vendor;
mod vendor_lines;

use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Once};

const OK: i32 = 0;
const INVALID: i32 = 1;
const BUG: i32 = 2;

#[repr(C)]
pub struct Buffer<T> {
    data: *mut T,
    size: usize,
    capacity: usize,
}

impl<T> Buffer<T> {
    fn give(values: Vec<T>) -> Self {
        let mut values = std::mem::ManuallyDrop::new(values);
        Buffer {
            data: values.as_mut_ptr(),
            size: values.len(),
            capacity: values.capacity(),
        }
    }

    /// # Safety
    /// `buffer` is null, zeroed, or was filled by `give`.
    unsafe fn free(buffer: *mut Self) {
        if let Some(b) = buffer.as_mut() {
            if !b.data.is_null() {
                drop(Vec::from_raw_parts(b.data, b.size, b.capacity));
            }
            *b = Buffer {
                data: std::ptr::null_mut(),
                size: 0,
                capacity: 0,
            };
        }
    }
}

#[repr(C)]
pub struct VocabView {
    size: u32,
    offsets: *const u32,
    bytes: *const u8,
    flags: *const u8,
    strip_leading_space: i32,
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A library must not print, which the default panic hook does.
fn quiet_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let what = info.to_string().replace('\n', " ");
            let _ = PANIC.try_with(|p| *p.borrow_mut() = what);
        }))
    });
}

/// Runs `work`; a failure or panic becomes a code and one line in `error`.
unsafe fn guarded(error: *mut Buffer<u8>, work: impl FnOnce() -> Result<(), String>) -> i32 {
    quiet_panics();
    let (code, message) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return OK,
        Ok(Err(message)) => (INVALID, message),
        Err(_) => (BUG, PANIC.with(|p| std::mem::take(&mut *p.borrow_mut()))),
    };
    if let Some(e) = error.as_mut() {
        *e = Buffer::give(message.replace('\n', " ").into_bytes());
    }
    code
}

/// Of what `Box::into_raw` gave; null is nothing.
unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        guarded(std::ptr::null_mut(), || {
            drop(Box::from_raw(object));
            Ok(())
        });
    }
}

unsafe fn slice<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

unsafe fn utf8<'a>(data: *const u8, size: usize, what: &str) -> Result<&'a str, String> {
    std::str::from_utf8(slice(data, size))
        .map_err(|e| format!("{what} is not valid UTF-8 at byte {}", e.valid_up_to()))
}

/// # Safety
/// As textkit.h says; so for every function below.
#[no_mangle]
pub unsafe extern "C" fn textkit_bytes_free(bytes: *mut Buffer<u8>) {
    Buffer::free(bytes)
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_ids_free(ids: *mut Buffer<u32>) {
    Buffer::free(ids)
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_tokenizer_new(
    file: *const u8,
    size: usize,
    out: *mut *mut tokenizer::Tokenizer,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let loaded = tokenizer::Tokenizer::from_file(slice(file, size))?;
        *out = Arc::into_raw(Arc::new(loaded)).cast_mut();
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_tokenizer_free(tokenizer: *mut tokenizer::Tokenizer) {
    if !tokenizer.is_null() {
        guarded(std::ptr::null_mut(), || {
            drop(Arc::from_raw(tokenizer));
            Ok(())
        });
    }
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_tokenizer_encode(
    tokenizer: *const tokenizer::Tokenizer,
    text: *const u8,
    size: usize,
    add_special: i32,
    parse_special: i32,
    out: *mut Buffer<u32>,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let text = utf8(text, size, "the text")?;
        let ids = (*tokenizer).encode(text, add_special != 0, parse_special != 0)?;
        *out = Buffer::give(ids);
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_tokenizer_id(
    tokenizer: *const tokenizer::Tokenizer,
    token: *const u8,
    size: usize,
) -> i64 {
    let mut found = -1;
    guarded(std::ptr::null_mut(), || {
        let token = utf8(token, size, "the token")?;
        found = (*tokenizer).id(token).map_or(-1, i64::from);
        Ok(())
    });
    found
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_tokenizer_vocab(
    tokenizer: *const tokenizer::Tokenizer,
    out: *mut VocabView,
) {
    let vocab = (*tokenizer).vocab();
    *out = VocabView {
        size: vocab.flags.len() as u32,
        offsets: vocab.offsets.as_ptr(),
        bytes: vocab.bytes.as_ptr(),
        flags: vocab.flags.as_ptr(),
        strip_leading_space: vocab.strip_leading_space as i32,
    };
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_template_compile(
    source: *const u8,
    size: usize,
    out: *mut *mut template::Template,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let compiled = template::Template::compile(utf8(source, size, "the chat template")?)?;
        *out = Box::into_raw(Box::new(compiled));
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_template_free(template: *mut template::Template) {
    free(template)
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_template_render(
    template: *const template::Template,
    context: *const u8,
    size: usize,
    out: *mut Buffer<u8>,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let text = (*template).render(slice(context, size))?;
        *out = Buffer::give(text.into_bytes());
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammars_new(
    tokenizer: *const tokenizer::Tokenizer,
    vocab: u32,
    eos: *const u32,
    eos_size: usize,
    out: *mut *mut grammar::Grammars,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        Arc::increment_strong_count(tokenizer);
        let tokenizer = Arc::from_raw(tokenizer);
        let made = grammar::Grammars::new(tokenizer, vocab, slice(eos, eos_size))?;
        *out = Box::into_raw(Box::new(made));
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammars_free(grammars: *mut grammar::Grammars) {
    free(grammars)
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammar_compile(
    grammars: *const grammar::Grammars,
    kind: i32,
    text: *const u8,
    size: usize,
    out: *mut *mut grammar::Grammar,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let compiled = (*grammars).compile(kind, slice(text, size))?;
        *out = Box::into_raw(Box::new(compiled));
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammar_free(grammar: *mut grammar::Grammar) {
    free(grammar)
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammar_mask(
    grammar: *mut grammar::Grammar,
    words: *mut u32,
    count: usize,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        (*grammar).mask(std::slice::from_raw_parts_mut(words, count))
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammar_accept(
    grammar: *mut grammar::Grammar,
    token: u32,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || (*grammar).accept(token))
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammar_forced(
    grammar: *mut grammar::Grammar,
    out: *mut Buffer<u32>,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        *out = Buffer::give((*grammar).forced()?);
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_grammar_is_complete(grammar: *const grammar::Grammar) -> i32 {
    (*grammar).is_complete() as i32
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_go_template_compile(
    source: *const u8,
    size: usize,
    out: *mut *mut gotmpl::GoTemplate,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let compiled = gotmpl::GoTemplate::compile(utf8(source, size, "the template")?)?;
        *out = Box::into_raw(Box::new(compiled));
        Ok(())
    })
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_go_template_free(template: *mut gotmpl::GoTemplate) {
    if !template.is_null() {
        guarded(std::ptr::null_mut(), || {
            drop(Box::from_raw(template));
            Ok(())
        });
    }
}

/// # Safety
#[no_mangle]
pub unsafe extern "C" fn textkit_go_template_render(
    template: *const gotmpl::GoTemplate,
    context: *const u8,
    size: usize,
    out: *mut Buffer<u8>,
    error: *mut Buffer<u8>,
) -> i32 {
    guarded(error, || {
        let text = (*template).render(slice(context, size))?;
        *out = Buffer::give(text.into_bytes());
        Ok(())
    })
}
