#include "device/axcl/errors.h"

#include <fmt/core.h>

#include <iterator>
#include <string>

#include "abi/axcl.h"

namespace axollama::device::axcl {
namespace {

struct Meaning {
  ErrorKind kind;
  std::string_view what;
  std::string_view advice;  // may be empty
};

constexpr axclError kConfigIllegal = AXCL_CODE(0x06u, AXCL_ERR_ILLEGAL_PARAM);
constexpr std::string_view kReset =
    "the card may need a reset: stop what uses it and reboot it (`axcl-smi reboot`)";

// Codes whose cause is known; sources: the vendor's table, and what the card was seen to answer.
Meaning KnownCode(axclError code) {
  switch (code) {
    case AXCL_ERR_DEVICE_OPEN:
      return {ErrorKind::kUnavailable, "the card's driver is not loaded: no /dev/axcl_host",
              "install AXERA's axclhost package and run `sudo modprobe axcl_host`, then look at "
              "`dmesg`"};
    case AXCL_ERR_DEVICE_NO_CONNECT:
      return {ErrorKind::kUnavailable, "the driver is loaded but finds no card",
              "check that `lspci -d 1f4b:` lists it; on a Raspberry Pi 5, config.txt needs "
              "dtparam=pciex1 and dtoverlay=pciex1-compat-pi5,no-mip; then power-cycle"};
    case AXCL_ERR_DEVICE_QUERY:
    case AXCL_ERR_DEVICE_PROBE:
      return {ErrorKind::kDevice, "the card does not answer", kReset};
    case AXCL_ERR_DEVICE_NOT_ACTIVE:
      return {ErrorKind::kDevice, "the card is not active in this process", ""};
    case AXCL_ERR_DEVICE_INVALID_ID:
      return {ErrorKind::kNotFound, "no card has that id",
              "ids are PCI bus numbers and may change after a reset: see `axcl-smi`"};
    case AXCL_ERR_DEVICE_NO_ACTIVE:
    case AXCL_ERR_CONTEXT_NOT_BOUND:
      return {ErrorKind::kInternal, "this thread has no card bound", ""};
    case AXCL_ERR_DEVICE_PORT_ALLOCATE:
      return {ErrorKind::kUnavailable, "the card has no free port for another process",
              "stop other programs that use the card"};
    case AXCL_ERR_DEVICE_REBOOT:
      return {ErrorKind::kDevice, "the card could not be rebooted", "power-cycle it"};
    case AXCL_ERR_STREAM_SYNC_TIMEOUT:
      return {ErrorKind::kTimeout, "the card did not finish in time", kReset};
    case AXCL_ERR_MEMORY_EXECUTE_FAIL:
      return {ErrorKind::kNoMemory, "the card is out of memory (CMM)",
              "unload other models, or stop other programs that use the card"};
    case AXCL_ERR_MEMORY_NOT_DEVICE:
      return {ErrorKind::kInternal, "the address is not one of the card's", ""};
    case kConfigIllegal:
      return {ErrorKind::kUnavailable, "the card's configuration is not understood",
              "look at axcl.json, for the simulated card at AXSIM_CONFIG and the other AXSIM_ "
              "variables; AXOLLAMA_LOG=error shows the reason"};
    case AXCL_ERR_ENGINE_ILLEGAL_PARAM:
      return {ErrorKind::kDevice, "the engine was given an illegal parameter", ""};
    case AXCL_ERR_ENGINE_UNSUPPORTED:
      return {ErrorKind::kDevice, "the engine does not support this", ""};
    case AXCL_ERR_ENGINE_EXECUTE_FAIL:
      return {ErrorKind::kDevice, "the NPU failed or hung",
              "its log says why (`axcl-smi log -t 0x10 -o DIR`); the card may need a reset"};
    case AXCL_ERR_ENGINE_INVALID_INDEX:
      return {ErrorKind::kInternal, "no such tensor or shape group", ""};
    case AXCL_ERR_SYSCTRL_EXECUTE_FAIL:
      return {ErrorKind::kDevice, "a command on the card failed", kReset};
    default:
      return {ErrorKind::kDevice, "", ""};
  }
}

std::string_view LowByte(uint32_t code) {
  switch (code & 0xff) {
    case AXCL_ERR_FAIL:
      return "failed";
    case AXCL_ERR_NULL_POINTER:
      return "null pointer";
    case AXCL_ERR_ILLEGAL_PARAM:
      return "illegal parameter";
    case AXCL_ERR_UNSUPPORT:
      return "not supported";
    case AXCL_ERR_TIMEOUT:
      return "timeout";
    case AXCL_ERR_BUSY:
      return "busy";
    case AXCL_ERR_NO_MEMORY:
      return "no memory";
    case AXCL_ERR_ENCODE:
    case AXCL_ERR_DECODE:
    case AXCL_ERR_UNEXPECT_RESPONSE:
      return "the card's answer could not be understood: host library and firmware may differ in "
             "version";
    case AXCL_ERR_OPEN:
      return "open failed";
    case AXCL_ERR_EXECUTE_FAIL:
      return "execution failed on the card";
    default:
      return "unknown code";
  }
}

std::string_view Part(uint32_t code) {
  static constexpr std::string_view kParts[] = {
      "",        "device ", "context ", "stream ",  "task ", "memory ", "config ",
      "engine ", "log ",    "system ",  "latency ", "p2p ",  "worker "};
  const uint32_t part = (code >> 8) & 0xff;
  return part < std::size(kParts) ? kParts[part] : "";
}

}  // namespace

Error Describe(std::string_view symbol, int32_t code, std::string_view detail) {
  const uint32_t bits = static_cast<uint32_t>(code);
  Meaning meaning = KnownCode(code);
  std::string what(meaning.what);
  if (what.empty()) {
    const bool composed = (bits & 0x80ff0000u) == 0x80300000u;
    if (composed) {
      what = fmt::format("{}{}", Part(bits), LowByte(bits));
    } else if (bits < 0x80) {
      what = LowByte(bits);
    } else {
      what = "a code of the card's own engine";
    }
    if ((composed || bits < 0x80) && (bits & 0xff) == AXCL_ERR_TIMEOUT) {
      meaning.kind = ErrorKind::kTimeout;
    }
  }
  return {meaning.kind,
          fmt::format("{} failed{}{} with 0x{:08X} ({}){}{}", symbol, detail.empty() ? "" : " for ",
                      detail, bits, what, meaning.advice.empty() ? "" : ": ", meaning.advice)};
}

}  // namespace axollama::device::axcl
