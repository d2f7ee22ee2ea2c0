import { ComponentError } from "../../src/errors.ts";

/** Loads a driver that an app installs itself. Throws "config", with what to do, where it did not. */
export async function driver<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new ComponentError("config", `it needs the package ${name}: npm install ${name}`, {
      cause,
    });
  }
}
