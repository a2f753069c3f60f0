// `axollama serve`: the supervisor's program.
#pragma once

namespace axollama::server {

// argv[0] is "axollama serve". Returns the exit code: 0 after SIGTERM, SIGINT or the end of the
// lifeline, 1 when it could not start, 2 for wrong usage. Called once per process.
int ServeMain(int argc, char** argv);

}  // namespace axollama::server
