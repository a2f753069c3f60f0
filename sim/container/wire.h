// A bounds-checked walk over one protobuf message, with 64-bit lengths.
//
// protozero decodes the varints; its own pbf_reader is not used because it cuts lengths to 32 bits.
// Owner: the caller owns the bytes; views point into them. Threads: plain values.
// Errors: after a false from Next, broken() tells a bad message from its end.
#pragma once

#include <cstdint>
#include <protozero/varint.hpp>
#include <string_view>

namespace axsim::container {

enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t varint = 0;     // kVarint
  std::string_view bytes;  // kBytes
};

class Walker {
 public:
  explicit Walker(std::string_view message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  bool Next(Field* field) {
    if (broken_ || at_ == end_) return false;
    uint64_t key = 0;
    if (!Varint(&key)) return false;
    field->number = static_cast<uint32_t>(key >> 3);
    field->type = static_cast<WireType>(key & 7);
    field->bytes = {};
    field->varint = 0;
    if (key >> 3 == 0 || key >> 3 >= (1u << 29)) return Break();
    switch (field->type) {
      case WireType::kVarint:
        return Varint(&field->varint);
      case WireType::kFixed64:
        return Bytes(8, &field->bytes);
      case WireType::kFixed32:
        return Bytes(4, &field->bytes);
      case WireType::kBytes: {
        uint64_t length = 0;
        return Varint(&length) && Bytes(length, &field->bytes);
      }
    }
    return Break();  // groups, which ONNX never had, and the two numbers that mean nothing
  }

  bool broken() const { return broken_; }
  // The message ended inside a field, as a file does that was cut.
  bool cut() const { return cut_; }

 private:
  bool Break() {
    broken_ = true;
    return false;
  }

  bool Varint(uint64_t* value) {
    try {
      *value = protozero::decode_varint(&at_, end_);
      return true;
    } catch (const protozero::end_of_buffer_exception&) {
      cut_ = true;
    } catch (const protozero::exception&) {
    }
    return Break();
  }

  bool Bytes(uint64_t length, std::string_view* bytes) {
    if (length > static_cast<uint64_t>(end_ - at_)) {
      cut_ = true;
      return Break();
    }
    *bytes = {at_, static_cast<size_t>(length)};
    at_ += length;
    return true;
  }

  const char* at_;
  const char* end_;
  bool broken_ = false;
  bool cut_ = false;
};

}  // namespace axsim::container
