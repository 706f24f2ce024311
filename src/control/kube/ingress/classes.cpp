#include "base/nearest.h"
#include "control/kube/ingress/translator.h"

namespace sluice::control {

namespace {
bool contains(const std::vector<std::string>& list, const std::string& s) {
  return std::find(list.begin(), list.end(), s) != list.end();
}
}  // namespace

bool IngressTranslator::ours(const Ingress& ingress, std::string& why) const {
  static const std::vector<std::string> usual{"nginx", "sluice"};
  const auto& names = core_.settings.ingress_classes.empty() ? usual : core_.settings.ingress_classes;
  // A name is ours when its IngressClass names our controller; without such an object, when it is one of our names.
  auto named = [&](const std::string& name) {
    const auto* known = core_.objects.find<IngressClass>("/" + name);
    if (known ? contains(core_.settings.controller_classes, known->controller) : contains(names, name)) return true;
    why = "class \"" + name +
          (known ? "\" of controller " + known->controller : "\", which is none of ours" + did_you_mean(name, names));
    return false;
  };
  auto annotation = ingress.meta.annotations.find("kubernetes.io/ingress.class");
  if (annotation != ingress.meta.annotations.end() && !annotation->second.empty())
    return named(annotation->second) || contains(names, annotation->second);
  if (ingress.class_name && !ingress.class_name->empty()) return named(ingress.class_name->str());
  if (core_.settings.watch_ingress_without_class) return true;
  bool by_default = false;
  core_.objects.each<IngressClass>([&](const IngressClass& c) {
    const auto mark = c.meta.annotations.find("ingressclass.kubernetes.io/is-default-class");
    by_default = by_default || (mark != c.meta.annotations.end() && mark->second == "true" &&
                                contains(core_.settings.controller_classes, c.controller));
  });
  if (by_default) return true;
  why = "no class, and no IngressClass of ours is the default";
  return false;
}

}  // namespace sluice::control
