// The C ABI of rust/textkit: tokenizers and chat templates of Hugging Face's and Jinja's kind, and
// grammars of llguidance's.
//
// Owner: what *_new and *_compile return is the caller's until *_free; buffers that a call fills
// are the caller's until textkit_*_free. Strings are length-delimited UTF-8, never NUL-terminated.
// Threads: const calls on one object from any thread; a textkit_grammar is used by one at a time.
// Errors: a call returns TEXTKIT_OK, or fills `error` with one line and returns why. Nothing
// unwinds out of these functions and nothing is printed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TEXTKIT_OK = 0,
  TEXTKIT_INVALID = 1,  // the caller's text, file or template is wrong
  TEXTKIT_BUG = 2,      // the library below panicked; the object may still be used
};

typedef struct textkit_bytes {
  uint8_t* data;
  size_t size;
  size_t capacity;
} textkit_bytes;

typedef struct textkit_ids {
  uint32_t* data;
  size_t size;
  size_t capacity;
} textkit_ids;

void textkit_bytes_free(textkit_bytes* bytes);
void textkit_ids_free(textkit_ids* ids);

typedef struct textkit_tokenizer textkit_tokenizer;

// From the content of a tokenizer.json, or of AXERA's text form of one ("430 ...").
int32_t textkit_tokenizer_new(const uint8_t* file, size_t size, textkit_tokenizer** out,
                              textkit_bytes* error);
void textkit_tokenizer_free(textkit_tokenizer* tokenizer);
int32_t textkit_tokenizer_encode(const textkit_tokenizer* tokenizer, const uint8_t* text,
                                 size_t size, int32_t add_special, int32_t parse_special,
                                 textkit_ids* out, textkit_bytes* error);
// The id of a token by its name in the vocabulary, -1 if there is none.
int64_t textkit_tokenizer_id(const textkit_tokenizer* tokenizer, const uint8_t* token, size_t size);

enum {
  TEXTKIT_TOKEN_EXISTS = 1,
  TEXTKIT_TOKEN_SPECIAL = 2,
};

// What each token adds to the text. The pointers live as long as the tokenizer.
typedef struct textkit_vocab {
  uint32_t size;            // highest id + 1
  const uint32_t* offsets;  // [size + 1] into bytes
  const uint8_t* bytes;
  const uint8_t* flags;         // [size] TEXTKIT_TOKEN_*
  int32_t strip_leading_space;  // the decoder drops one space at the start of a text
} textkit_vocab;

void textkit_tokenizer_vocab(const textkit_tokenizer* tokenizer, textkit_vocab* out);

typedef struct textkit_template textkit_template;

int32_t textkit_template_compile(const uint8_t* source, size_t size, textkit_template** out,
                                 textkit_bytes* error);
void textkit_template_free(textkit_template* chat_template);
// `context` is a JSON object.
int32_t textkit_template_render(const textkit_template* chat_template, const uint8_t* context,
                                size_t size, textkit_bytes* out, textkit_bytes* error);

// Compiles grammars for one tokenizer, which it keeps alive, and a model with `vocab` logits.
// `eos` are the tokens that may end an answer.
typedef struct textkit_grammars textkit_grammars;

int32_t textkit_grammars_new(const textkit_tokenizer* tokenizer, uint32_t vocab,
                             const uint32_t* eos, size_t eos_size, textkit_grammars** out,
                             textkit_bytes* error);
void textkit_grammars_free(textkit_grammars* grammars);

enum {
  TEXTKIT_GRAMMAR_LARK = 0,  // llguidance's variant
  TEXTKIT_GRAMMAR_GBNF = 1,  // llama.cpp's
  TEXTKIT_GRAMMAR_JSON_SCHEMA = 2,
  TEXTKIT_GRAMMAR_REGEX = 3,  // of the whole answer
};

// Where one answer stands in its grammar; independent of the textkit_grammars.
typedef struct textkit_grammar textkit_grammar;

int32_t textkit_grammar_compile(const textkit_grammars* grammars, int32_t kind, const uint8_t* text,
                                size_t size, textkit_grammar** out, textkit_bytes* error);
void textkit_grammar_free(textkit_grammar* grammar);
// Bit i % 32 of words[i / 32]: token i may come next. A complete grammar allows the `eos` alone.
int32_t textkit_grammar_mask(textkit_grammar* grammar, uint32_t* words, size_t count,
                             textkit_bytes* error);
int32_t textkit_grammar_accept(textkit_grammar* grammar, uint32_t token, textkit_bytes* error);
// The tokens that must come next; they are not accepted yet. Often none.
int32_t textkit_grammar_forced(textkit_grammar* grammar, textkit_ids* out, textkit_bytes* error);
int32_t textkit_grammar_is_complete(const textkit_grammar* grammar);

// Templates of Go's kind, with Ollama's variables; `context` as text/go_template.h has it.
typedef struct textkit_go_template textkit_go_template;

int32_t textkit_go_template_compile(const uint8_t* source, size_t size, textkit_go_template** out,
                                    textkit_bytes* error);
void textkit_go_template_free(textkit_go_template* go_template);
int32_t textkit_go_template_render(const textkit_go_template* go_template, const uint8_t* context,
                                   size_t size, textkit_bytes* out, textkit_bytes* error);

#ifdef __cplusplus
}
#endif
