#include "text/chat_template.h"

#include "text/textkit_call.h"

namespace axollama::text {
namespace {

class KitTemplate final : public ChatTemplate {
 public:
  explicit KitTemplate(textkit_template* compiled) : compiled_(compiled) {}
  ~KitTemplate() override { textkit_template_free(compiled_); }

  Result<std::string> Render(std::string_view context_json) const override {
    KitBytes text, error;
    AX_RETURN_IF_ERROR(KitStatus(textkit_template_render(compiled_, KitData(context_json),
                                                         context_json.size(), &text, &error),
                                 error));
    return std::string(text.view());
  }

 private:
  textkit_template* compiled_;
};

}  // namespace

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::Compile(std::string_view source) {
  textkit_template* compiled = nullptr;
  KitBytes error;
  AX_RETURN_IF_ERROR(KitStatus(
      textkit_template_compile(KitData(source), source.size(), &compiled, &error), error));
  return std::make_unique<KitTemplate>(compiled);
}

}  // namespace axollama::text
