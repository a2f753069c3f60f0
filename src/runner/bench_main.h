// `axollama bench MODEL`: speeds and counts on the engine itself (design 10). Threads: main's.
#pragma once

namespace axollama::runner {

int BenchMain(int argc, char** argv);

}  // namespace axollama::runner
