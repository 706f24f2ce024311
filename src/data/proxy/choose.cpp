#include "data/proxy/choose.h"

#include <utility>

#include "data/exchange/exchange.h"
#include "data/plan/choice.h"
#include "data/proxy/error_page.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

void choose(Exchange& ex) {
  auto& canary = ex.further[static_cast<std::size_t>(model::Role::canary)];
  if (ex.cluster == nullptr || canary == nullptr) return;
  const Choice& choice = *ex.route->choice;
  const Choice::Opinion opinion =
      choice.ask(ex, {&ex.cluster->spec(), ex.cluster->available(), ex.cluster->session_id()},
                 {&canary->spec(), canary->available(), canary->session_id()});
  if (opinion.by == Choice::By::pattern_gave_up) {
    ex.worker.stats.regex_gave_up.add();
    ex.worker.recorder.complained(ex.peer.address,
                                  "canary-by-header-pattern takes too many steps for a header: its request stays with "
                                  "the main Ingress");
  }
  if (!(opinion.by == Choice::By::weight ? choice.draw(ex.worker.random()) : opinion.canary)) return;
  std::swap(ex.cluster, canary);  // both stay pinned
  ex.canary = &choice.spec();
  ex.available = ex.cluster->available();
  ex.outside = ex.cluster->outside();
}

bool choose_stand_in(Exchange& ex) noexcept {
  auto& pages = ex.further[static_cast<std::size_t>(model::Role::errors)];
  if (pages == nullptr || !pages->available() || ex.cluster == nullptr || ex.instead) return false;
  if (ex.settings->error_pages->service.empty()) return false;
  std::swap(ex.cluster, pages);
  ex.instead = ex.available = true;
  ex.outside = ex.cluster->outside();
  return true;
}

bool choose_again(Exchange& ex) {
  auto& main = ex.further[static_cast<std::size_t>(model::Role::canary)];
  if (ex.canary != nullptr && main != nullptr) {
    std::swap(ex.cluster, main);
    ex.canary = nullptr;
    ex.outside = ex.cluster->outside();
    if (ex.cluster->available()) return true;
  }
  if (!choose_stand_in(ex)) return false;
  tell_default_backend(ex);
  return true;
}

}  // namespace sluice::data
