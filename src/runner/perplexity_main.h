// `axollama perplexity MODEL FILE`: how well a model predicts a text (design 10). Threads: main's.
#pragma once

namespace axollama::runner {

int PerplexityMain(int argc, char** argv);

}  // namespace axollama::runner
