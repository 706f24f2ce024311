#include "data/runtime/answer_cache.h"

namespace sluice::data {

namespace {
// Of an entry beside its texts, nodes and buckets included.
constexpr std::size_t kOverhead = 256;
}  // namespace

const AnswerCache::Answer* AnswerCache::find(std::string_view key, Instant now) {
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return nullptr;
  const auto at = known->second;
  if (at->until <= now) {
    remove(at);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, at);
  return &at->answer;
}

void AnswerCache::keep(std::string key, Answer answer, Instant until) {
  if (const auto known = by_key_.find(key); known != by_key_.end()) remove(known->second);
  std::size_t bytes = kOverhead + key.size();
  for (const auto& [name, value] : answer.fields) bytes += 2 * sizeof(std::string) + name.size() + value.size();
  if (bytes > kMostBytes / 16) return;
  while (!entries_.empty() && (bytes_ + bytes > kMostBytes || entries_.size() >= kMostAnswers))
    remove(std::prev(entries_.end()));
  entries_.push_front({std::move(key), std::move(answer), until, bytes});
  by_key_.emplace(entries_.front().key, entries_.begin());
  bytes_ += bytes;
}

void AnswerCache::clear() noexcept {
  by_key_.clear();
  entries_.clear();
  bytes_ = 0;
}

void AnswerCache::remove(Entries::iterator at) noexcept {
  by_key_.erase(at->key);
  bytes_ -= at->bytes;
  entries_.erase(at);
}

}  // namespace sluice::data
