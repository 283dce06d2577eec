#include "tools/moe_bench/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/common/costs_json.h"
#include "tools/common/processor.h"
#include "tools/common/program.h"

namespace moe::tools {
namespace {

using nlohmann::json;

constexpr const char* kMarkdownHead =
    "| model | size | params | weights | compute | kernels | threads | test | t/s | min | max | of peak | of "
    "bandwidth |\n"
    "|---|---:|---:|---|---|---|---:|---|---:|---:|---:|---:|---:|\n";
constexpr const char* kCsvHead =
    "model,layers,random,parameters,weight_bytes,weights,compute,kernels,processor,threads,n_prompt,n_gen,n_"
    "depth,n_batch,"
    "test,median_ts,min_ts,max_ts,mean_ts,stddev_ts,median_s,read_bandwidth,peak,of_peak,of_bandwidth\n";

std::string percent(double fraction) { return fmt::format("{:.1f} %", 100 * fraction); }

std::string markdown_line(const BenchResult& r) {
  const Spread ts = r.tokens_per_second();
  return fmt::format(
      "| {} | {:.2f} GiB | {:.2f} B | {} | {} | {} | {} | {} | {:.2f} ± {:.2f} | {:.2f} | {:.2f} | {} | {} "
      "|\n",
      r.model, static_cast<double>(r.weight_bytes) / (1 << 30), static_cast<double>(r.parameters) * 1e-9,
      r.weights, kernels::compute_name(r.compute), r.kernels, r.threads, r.test.name(), ts.median,
      ts.deviation, ts.min, ts.max, percent(r.of_peak()), percent(r.of_bandwidth()));
}

std::string csv_line(const BenchResult& r) {
  const Spread ts = r.tokens_per_second();
  return fmt::format("{},{},{},{},{},{},{},{},\"{}\",{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                     r.model, r.layers, r.random ? 1 : 0, r.parameters, r.weight_bytes, r.weights,
                     kernels::compute_name(r.compute), r.kernels, processor_name(), r.threads, r.test.prompt,
                     r.test.generated, r.test.depth, r.test.batch, r.test.name(), ts.median, ts.min, ts.max,
                     ts.mean, ts.deviation, r.median_seconds(), r.limits().read_bandwidth,
                     r.limits().peak(r.products), r.of_peak(), r.of_bandwidth());
}

std::string json_text(const BenchResult& r, int indent) {
  return result_json(r).dump(indent, ' ', false, json::error_handler_t::replace);
}

json limits_json(const Limits& limits) {
  return {{"read_bandwidth", limits.read_bandwidth},
          {"f32", limits.peak(kernels::Compute::f32)},
          {"bf16", limits.peak(kernels::Compute::bf16)},
          {"int8", limits.peak(kernels::Compute::int8)}};
}

json components_json(const BenchResult& r) {
  json parts = json::object();
  for (std::size_t i = 0; i < kComponents; ++i) {
    const auto part = static_cast<Component>(i);
    const PartRates p = rates(r, part);
    if (p.seconds <= 0) continue;
    parts[std::string(name(part))] = {{"seconds", p.seconds},
                                      {"share", p.share},
                                      {"flops_per_second", p.flops_per_second},
                                      {"bytes_per_second", p.bytes_per_second},
                                      {"of_peak", p.of_peak},
                                      {"of_bandwidth", p.of_bandwidth}};
  }
  return parts;
}

}  // namespace

json result_json(const BenchResult& r) {
  const Spread ts = r.tokens_per_second();
  json seconds = json::array(), processor = json::array(), limits = json::array();
  for (const Sample& s : r.samples) {
    seconds.push_back(s.seconds);
    processor.push_back(s.processor_seconds);
    limits.push_back(limits_json(s.limits));
  }
  return {{"model", r.model},
          {"layers", r.layers},
          {"random", r.random},
          {"parameters", r.parameters},
          {"weight_bytes", r.weight_bytes},
          {"weights", r.weights},
          {"compute", kernels::compute_name(r.compute)},
          {"products", kernels::compute_name(r.products)},
          {"cache", kernels::kv_type_name(r.cache)},
          {"kernels", r.kernels},
          {"threads", r.threads},
          {"chunk", r.chunk},
          {"fast_prefill", r.fast_prefill},
          {"processor", processor_name()},
          {"engine_version", version()},
          {"test", r.test.name()},
          {"n_prompt", r.test.prompt},
          {"n_gen", r.test.generated},
          {"n_depth", r.test.depth},
          {"n_batch", r.test.batch},
          {"seconds", seconds},
          {"processor_seconds", processor},
          {"tokens_per_second",
           {{"median", ts.median},
            {"min", ts.min},
            {"max", ts.max},
            {"mean", ts.mean},
            {"stddev", ts.deviation}}},
          {"limits", limits_json(r.limits())},
          {"limits_of_runs", limits},
          {"of_peak", r.of_peak()},
          {"of_bandwidth", r.of_bandwidth()},
          {"cost", costs_json(r.costs)},
          {"components", components_json(r)}};
}

ReportFormat report_format(const std::string& output) {
  if (output == "csv") return {kCsvHead, csv_line, "", ""};
  if (output == "json") return {"[\n", [](const BenchResult& r) { return json_text(r, 1); }, ",\n", "\n]\n"};
  if (output == "jsonl") return {"", [](const BenchResult& r) { return json_text(r, -1) + "\n"; }, "", ""};
  return {kMarkdownHead, markdown_line, "", ""};
}

std::string breakdown_text(std::span<const BenchResult> results) {
  std::string text;
  for (const BenchResult& r : results) {
    text += fmt::format("\n{}, weights {}, compute {}, {} threads, {}: {:.2f} ms\n\n", r.model, r.weights,
                        kernels::compute_name(r.compute), r.threads, r.test.name(), 1e3 * r.median_seconds());
    text +=
        "| component | ms | share | GFLOP | GFLOP/s | of peak | GB/s | of bandwidth "
        "|\n|---|---:|---:|---:|---:|---:|---:|---:|\n";
    for (std::size_t i = 0; i < kComponents; ++i) {
      const auto part = static_cast<Component>(i);
      const PartRates p = rates(r, part);
      if (p.seconds <= 0) continue;
      text += fmt::format("| {} | {:.3f} | {} | {:.3f} | {:.1f} | {} | {:.2f} | {} |\n", name(part),
                          1e3 * p.seconds, percent(p.share),
                          static_cast<double>(r.costs[part].class_a) * 1e-9, p.flops_per_second * 1e-9,
                          percent(p.of_peak), p.bytes_per_second * 1e-9, percent(p.of_bandwidth));
    }
  }
  return text;
}

std::string limits_text(const BenchResult& r) {
  const Limits limits = r.limits();
  return fmt::format(
      "\n{}, kernels {}, {} threads: reads {:.2f} GB/s; {:.1f} GFLOP/s f32, {:.1f} GFLOP/s bf16, {:.1f} "
      "GOP/s int8\n",
      processor_name(), r.kernels, r.threads, limits.read_bandwidth * 1e-9,
      limits.peak(kernels::Compute::f32) * 1e-9, limits.peak(kernels::Compute::bf16) * 1e-9,
      limits.peak(kernels::Compute::int8) * 1e-9);
}

}  // namespace moe::tools
