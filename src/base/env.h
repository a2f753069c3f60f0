// Environment variables and the places of design 3. An empty variable is unset. Threads: any.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace axollama {

std::optional<std::string> GetEnv(const char* name);
// A switch, as Ollama reads one: unset, 0, f and false are off, whatever else it is is on.
bool IsEnvOn(const char* name);

// $AXOLLAMA_HOME, else $XDG_DATA_HOME/axollama, else ~/.local/share/axollama.
std::filesystem::path HomeDir();
// $XDG_CACHE_HOME/axollama, else ~/.cache/axollama.
std::filesystem::path CacheDir();
// $XDG_STATE_HOME/axollama, else ~/.local/state/axollama.
std::filesystem::path StateDir();
// $AXOLLAMA_RUNTIME_DIR, else $XDG_RUNTIME_DIR/axollama, else /tmp/axollama-UID. Not created here.
std::filesystem::path RuntimeDir();

}  // namespace axollama
