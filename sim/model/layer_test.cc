// A layer against a plain reference in doubles: what it computes. How exactly: exactness_test.cc.
#include <gtest/gtest.h>

#include <cmath>

#include "sim/model/layer_fixture.h"

namespace axsim::model {
namespace {

using Vector = std::vector<double>;

double Rounded(double x) {
  return axollama::Bf16ToFloat(axollama::FloatToBf16(static_cast<float>(x)));
}

// The whole layer for a sequence, one token after the other.
class Reference {
 public:
  explicit Reference(const HandMade& made) : made_(made), p_(made.model.program) {}

  Vector Step(const uint16_t* input) {
    const size_t position = k_.size();
    Vector x(p_.hidden);
    for (size_t i = 0; i < x.size(); ++i) x[i] = axollama::Bf16ToFloat(input[i]);
    const Vector h = Norm(x, "attn_norm");
    Vector q = Times("q", h), k = Times("k", h), v = Times("v", h);
    if (p_.qkv_bias) {
      Add(q, made_.values.at("q_bias"), 1);
      Add(k, made_.values.at("k_bias"), 1);
      Add(v, made_.values.at("v_bias"), 1);
    }
    Heads(q, "q_norm", position);
    Heads(k, "k_norm", position);
    for (double& e : k) e = Rounded(e);
    for (double& e : v) e = Rounded(e);
    k_.push_back(k);
    v_.push_back(v);
    Branch(x, Times("o", Attend(q)), "attn_post_norm");
    const Vector f = Norm(x, "ffn_norm");
    Vector gate = Times("gate", f), up = Times("up", f);
    for (size_t i = 0; i < gate.size(); ++i) {
      const double g = gate[i];
      const double tanh_arg = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
      const double act = p_.activation == spec::Activation::kSilu
                             ? g / (1 + std::exp(-g))
                             : 0.5 * g * (1 + std::tanh(tanh_arg));
      gate[i] = act * up[i];
    }
    Branch(x, Times("down", gate), "ffn_post_norm");
    return x;
  }

 private:
  static void Add(Vector& x, const Vector& y, double factor) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i] * factor;
  }
  Vector Norm(const Vector& x, const std::string& name) const {
    double sum = 0;
    for (double e : x) sum += e * e;
    const double inverse = 1 / std::sqrt(sum / static_cast<double>(x.size()) + p_.norm_eps);
    Vector y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * inverse * made_.values.at(name)[i];
    return y;
  }
  Vector Times(const std::string& name, const Vector& x) const {
    const Vector& m = made_.values.at(name);
    Vector y(m.size() / x.size(), 0.0);
    for (size_t i = 0; i < m.size(); ++i) y[i / x.size()] += m[i] * x[i % x.size()];
    return y;
  }
  void Heads(Vector& x, const std::string& norm, size_t position) const {
    for (size_t at = 0; at < x.size(); at += p_.head_dim) {
      Vector head(x.begin() + at, x.begin() + at + p_.head_dim);
      if (p_.qk_norm) head = Norm(head, norm);
      const size_t half = p_.rope_dims / 2;
      for (size_t i = 0; i < half; ++i) {
        double angle = position * std::pow(p_.rope_theta, -2.0 * i / p_.rope_dims);
        if (made_.values.contains("rope_factors")) angle /= made_.values.at("rope_factors")[i];
        const double a = head[i], b = head[i + half];
        head[i] = a * std::cos(angle) - b * std::sin(angle);
        head[i + half] = b * std::cos(angle) + a * std::sin(angle);
      }
      std::copy(head.begin(), head.end(), x.begin() + at);
    }
  }
  Vector Attend(const Vector& q) const {
    Vector out(q.size(), 0.0);
    const size_t dim = p_.head_dim, now = k_.size();
    const size_t first =
        p_.sliding_window != 0 && now > p_.sliding_window ? now - p_.sliding_window : 0;
    for (size_t h = 0; h < p_.heads; ++h) {
      const size_t kv = h / (p_.heads / p_.kv_heads) * dim;
      Vector weight(now, 0.0);
      double sum = 0;
      for (size_t s = first; s < now; ++s) {
        double dot = 0;
        for (size_t d = 0; d < dim; ++d) dot += q[h * dim + d] * k_[s][kv + d];
        sum += weight[s] = std::exp(dot * p_.attention_scale);
      }
      for (size_t s = first; s < now; ++s) {
        for (size_t d = 0; d < dim; ++d) out[h * dim + d] += weight[s] / sum * v_[s][kv + d];
      }
    }
    return out;
  }
  void Branch(Vector& x, Vector branch, const std::string& norm) const {
    if (p_.post_norms) branch = Norm(branch, norm);
    Add(x, branch, p_.residual_scale);
  }

  const HandMade& made_;
  const spec::Program& p_;
  std::vector<Vector> k_, v_;
};

// Decodes 20 tokens, and prefills 13 + 7, and holds both against the reference.
void ExpectReference(const HandMade& made) {
  const size_t tokens = 20, hidden = made.model.program.hidden;
  auto model = Assemble(made.model);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const auto executor = MakeExecutor();
  const std::vector<uint16_t> inputs = RandomInputs(tokens, hidden);
  Session decoded(**model, *executor), prefilled(**model, *executor);
  for (size_t t = 0; t < tokens; ++t) decoded.Decode(inputs.data() + t * hidden);
  for (size_t t = 0; t < tokens; t += 8) {
    prefilled.Prefill(inputs.data() + t * hidden, std::min<size_t>(8, tokens - t));
  }
  EXPECT_EQ(decoded.outputs, prefilled.outputs);
  Reference reference(made);
  for (size_t t = 0; t < tokens; ++t) {
    const Vector want = reference.Step(inputs.data() + t * hidden);
    double scale = 0;
    for (double e : want) scale = std::max(scale, std::abs(e));
    for (size_t i = 0; i < hidden; ++i) {
      EXPECT_NEAR(axollama::Bf16ToFloat(decoded.outputs[t * hidden + i]), want[i],
                  std::abs(want[i]) / 256 + scale * 3e-3)
          << "token " << t << " column " << i;
    }
  }
}

TEST(Layer, S8MatchesReference) { ExpectReference(MakeLayer(SmallProgram())); }

TEST(Layer, Bf16MatchesReference) {
  ExpectReference(MakeLayer(SmallProgram(spec::WeightType::kBf16)));
}

TEST(Layer, WideMatricesMatchReference) {  // several blocks of quantised columns
  for (const auto weights : {spec::WeightType::kS8, spec::WeightType::kS4}) {
    spec::Program p = SmallProgram(weights);
    p.hidden = 584;
    p.ffn = 1100;
    ExpectReference(MakeLayer(p));
  }
}

TEST(Layer, QkNormAndBiasMatchReference) {
  for (const auto weights :
       {spec::WeightType::kS8, spec::WeightType::kBf16, spec::WeightType::kS4}) {
    spec::Program p = SmallProgram(weights);
    p.qk_norm = true;
    p.qkv_bias = true;
    ExpectReference(MakeLayer(p));
  }
}

TEST(Layer, GemmaStyleMatchesReference) {
  spec::Program p = SmallProgram();
  p.activation = spec::Activation::kGeluTanh;
  p.post_norms = true;
  p.qk_norm = true;
  p.kv_heads = 1;
  p.heads = 4;
  ExpectReference(MakeLayer(p));
}

TEST(Layer, SlidingWindowMatchesReference) {
  for (const uint32_t window : {1u, 5u, 9u, 17u}) {
    spec::Program p = SmallProgram();
    p.sliding_window = window;
    ExpectReference(MakeLayer(p));
  }
}

TEST(Layer, ManyHeadsWithoutGroupsMatchReference) {
  spec::Program p = SmallProgram();
  p.heads = p.kv_heads = 5;
  p.head_dim = 24;
  p.rope_dims = 24;
  ExpectReference(MakeLayer(p));
}

TEST(Layer, OneKvHeadMatchesReference) {
  for (const uint32_t heads : {1u, 3u, 8u}) {
    spec::Program p = SmallProgram();
    p.heads = heads;
    p.kv_heads = 1;
    ExpectReference(MakeLayer(p));
  }
}

TEST(Layer, ScalesPartialRopeAndFactorsMatchReference) {
  spec::Program p = SmallProgram();
  p.residual_scale = 0.22f;
  p.attention_scale = 0.1f;
  p.rope_dims = 8;
  p.rope_theta = 500.0;
  ExpectReference(MakeLayer(p, 8, {1, 8, 16, 24}, true));
}

}  // namespace
}  // namespace axsim::model
