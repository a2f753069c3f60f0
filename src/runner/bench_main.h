// `axollama bench MODEL`: speeds and counts on the engine itself (design 10). Threads: main's.
#pragma once

#include "runner/find_model.h"

namespace axollama::runner {

int BenchMain(int argc, char** argv, const FindModel& find_model);

}  // namespace axollama::runner
