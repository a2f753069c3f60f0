#include "text/go_template.h"

#include "text/textkit_call.h"

namespace axollama::text {
namespace {

class KitGoTemplate final : public GoTemplate {
 public:
  explicit KitGoTemplate(textkit_go_template* compiled) : compiled_(compiled) {}
  ~KitGoTemplate() override { textkit_go_template_free(compiled_); }

  Result<std::string> Render(std::string_view context_json) const override {
    KitBytes text, error;
    AX_RETURN_IF_ERROR(KitStatus(textkit_go_template_render(compiled_, KitData(context_json),
                                                            context_json.size(), &text, &error),
                                 error));
    return std::string(text.view());
  }

 private:
  textkit_go_template* compiled_;
};

}  // namespace

Result<std::unique_ptr<GoTemplate>> GoTemplate::Compile(std::string_view source) {
  textkit_go_template* compiled = nullptr;
  KitBytes error;
  AX_RETURN_IF_ERROR(KitStatus(
      textkit_go_template_compile(KitData(source), source.size(), &compiled, &error), error));
  return std::make_unique<KitGoTemplate>(compiled);
}

}  // namespace axollama::text
