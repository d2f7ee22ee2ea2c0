/** The same instance of a component, with members of its own. */
export function delegating<T extends object>(inner: T, own: Partial<T>): T {
  return new Proxy(inner, {
    get(inner, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const member: unknown = Reflect.get(inner, name);
      // It may be of a class with private fields.
      return typeof member === "function" ? member.bind(inner) : member;
    },
  });
}
