// Many floats as JSON: as values of json.h each of them would take 16 bytes first, and 17 digits.
// Threads: a plain function.
#pragma once

#include <span>
#include <string>

namespace axollama::json {

// Appends [0.25,-1.5e-07,...], each number with the fewest digits that give the same float again.
// They must be finite.
void WriteFloatsTo(std::span<const float> values, std::string* out);

}  // namespace axollama::json
