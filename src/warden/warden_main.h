// `axollama warden`: the keeper of one card, a child of `axollama serve`.
//
// Usage: axollama warden [--device axcl|sim] [--device-id N] [--lifeline-fd N]
// One JSON object per line on standard input, one line of answer on standard output: loop.h,
// questions.h. Ends with 0 when either standard input or the lifeline ends; 2: wrong usage.
#pragma once

namespace axollama::warden {

int WardenMain(int argc, char** argv);

}  // namespace axollama::warden
