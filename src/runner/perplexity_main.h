// `axollama perplexity MODEL FILE`: how well a model predicts a text (design 10). Threads: main's.
#pragma once

#include "runner/find_model.h"

namespace axollama::runner {

int PerplexityMain(int argc, char** argv, const FindModel& find_model);

}  // namespace axollama::runner
