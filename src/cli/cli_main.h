// The commands that talk to a server: run, list, ps, show, create, cp, rm, stop, pull, embed,
// catalog; add, which gives a folder a name; key, which keeps API keys; and sim, which starts
// axollama-sim.
//
// Each takes argc/argv with argv[0] = "axollama SUBCOMMAND" and returns the exit code of design 10:
// 0, 1 failed (one line on standard error), 2 wrong usage, 130 interrupted.
// Threads: called once, from main.
#pragma once

namespace axollama::cli {

int RunMain(int argc, char** argv);
int ListMain(int argc, char** argv);
int PsMain(int argc, char** argv);
int ShowMain(int argc, char** argv);
int CatalogMain(int argc, char** argv);
int AddMain(int argc, char** argv);
int CreateMain(int argc, char** argv);
int CpMain(int argc, char** argv);
int RmMain(int argc, char** argv);
int StopMain(int argc, char** argv);
int PullMain(int argc, char** argv);
int EmbedMain(int argc, char** argv);
int KeyMain(int argc, char** argv);
int SimMain(int argc, char** argv);

}  // namespace axollama::cli
