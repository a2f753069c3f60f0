// `axollama bench MODEL`: speeds and counts of a model on the engine itself (design 10).
#pragma once

namespace axollama::runner {

int BenchMain(int argc, char** argv);

}  // namespace axollama::runner
