#include "warden/card_access.h"

#include <utility>

namespace axollama::warden {
namespace {

class PerQuestion final : public CardAccess {
 public:
  explicit PerQuestion(device::Device::Options options) : options_(std::move(options)) {}

  Result<Reading> Read() override {
    AX_ASSIGN_OR_RETURN(const std::unique_ptr<device::Device> card, device::Device::Open(options_));
    Reading reading;
    reading.backend = device::BackendName(card->backend());
    reading.library = card->library();
    reading.id = card->card().id;
    AX_ASSIGN_OR_RETURN(const std::vector<device::Card> cards, card->ListCards());
    for (const device::Card& c : cards) reading.cards.push_back(c.id);
    AX_ASSIGN_OR_RETURN(reading.properties, card->ReadProperties(reading.id));
    return reading;
  }

  Status Reboot() override {
    AX_ASSIGN_OR_RETURN(const std::unique_ptr<device::Device> card, device::Device::Open(options_));
    return card->Reboot(card->card().id);
  }

 private:
  const device::Device::Options options_;
};

}  // namespace

std::unique_ptr<CardAccess> OpenPerQuestion(device::Device::Options options) {
  return std::make_unique<PerQuestion>(std::move(options));
}

}  // namespace axollama::warden
