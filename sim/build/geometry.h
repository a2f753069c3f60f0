// Models of which only the geometry is built: the files, tensors, groups and sizes of the real
// one, without its weights. They take no disk (holes) and load at once, so that the speed of a
// model can be studied that this machine could not hold.
//
// Sizes are those of the models' config.json files on Hugging Face. The tokenizer is one of single
// bytes; the embedding has the real one's rows, whose greater ids have no text.
// Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/build/description.h"
#include "sim/build/tokenizer_json.h"

namespace axsim::build {

// "qwen3-4b"; the error names all there are. Without rules, and its programs are not complete.
axollama::Result<Description> DescribeGeometry(std::string_view name);

axollama::Result<TokenizerFiles> GeometryTokenizer();

}  // namespace axsim::build
