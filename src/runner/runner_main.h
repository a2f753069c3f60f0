// `axollama runner`: one process per loaded model, serving llama-server's protocol for it.
//
// Exit codes: 0 ended by SIGTERM or because its supervisor went; 2 wrong usage; 3 the bundle is bad
// or does not fit the card; 4 the card or its driver failed; 1 anything else (its socket is taken);
// 130 SIGINT. A failed load writes one `error: ...` line to standard error.
#pragma once

namespace axollama::runner {

int RunnerMain(int argc, char** argv);

}  // namespace axollama::runner
