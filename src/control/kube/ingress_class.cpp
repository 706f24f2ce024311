#include "control/kube/state.h"

namespace sluice::control {

namespace {
bool contains(const std::vector<std::string>& list, const std::string& s) {
  return std::find(list.begin(), list.end(), s) != list.end();
}
}  // namespace

bool Store::State::ours(const Ingress& ingress, std::string& why) const {
  static const std::vector<std::string> usual{"nginx", "sluice"};
  const auto& names = settings.ingress_classes.empty() ? usual : settings.ingress_classes;
  // A name is ours when its IngressClass names our controller; without such an object, when it is one of our names.
  auto named = [&](const std::string& name) {
    auto it = classes.find(name);
    if (it == classes.end()) {
      why = "class \"" + name + "\", which is none of ours";
      return contains(names, name);
    }
    const auto& controller = std::get<IngressClass>(*it->second).controller;
    why = "class \"" + name + "\" of controller " + controller;
    return contains(settings.controller_classes, controller);
  };
  auto annotation = ingress.meta.annotations.find("kubernetes.io/ingress.class");
  if (annotation != ingress.meta.annotations.end() && !annotation->second.empty())
    return named(annotation->second) || contains(names, annotation->second);
  if (ingress.class_name && !ingress.class_name->empty()) return named(ingress.class_name->str());
  if (settings.watch_ingress_without_class) return true;
  for (auto& [name, object] : classes) {
    auto& c = std::get<IngressClass>(*object);
    auto mark = c.meta.annotations.find("ingressclass.kubernetes.io/is-default-class");
    if (mark != c.meta.annotations.end() && mark->second == "true" &&
        contains(settings.controller_classes, c.controller))
      return true;
  }
  why = "no class, and no IngressClass of ours is the default";
  return false;
}

}  // namespace sluice::control
