import { type AnyDefinition, assertPort, Fault, type PortDefinition } from "../runtime/index.ts";

/** What a module of the program's own may export: entities to host, and ports that their effects go to. */
export interface TroupeModule {
  readonly definitions?: readonly AnyDefinition[];
  readonly ports?: readonly PortDefinition[];
}
export interface LoadedModules {
  /** By type. */
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  /** By name. */
  readonly ports: ReadonlyMap<string, PortDefinition>;
}

/**
 * Imports the modules into this thread: functions never cross a thread, so each thread that needs them loads them by URL.
 * @throws Fault `CONFIG_INVALID` that names the module which cannot be loaded, exports neither entities nor ports, or defines one a second time.
 */
export async function loadModules(urls: readonly string[]): Promise<LoadedModules> {
  const definitions = new Map<string, AnyDefinition>();
  const ports = new Map<string, PortDefinition>();
  for (const url of urls) {
    const module = await imported(url);
    if (module.definitions === undefined && module.ports === undefined) throw unusable(url, 'it exports neither "definitions" nor "ports"');
    for (const definition of listOf(url, module, "definitions"))
      addOnce(definitions, definition.type, definition, `${url}: the entity type`);
    for (const port of listOf(url, module, "ports")) {
      try {
        assertPort(port);
      } catch (cause) {
        throw unusable(url, cause instanceof Error ? cause.message : String(cause), cause);
      }
      addOnce(ports, port.name, port, `${url}: the port`);
    }
  }
  return { definitions, ports };
}

/** What it exports by this name, of which each is an object; what it does not export is empty. @throws Fault `CONFIG_INVALID`. */
function listOf<Name extends keyof TroupeModule>(url: string, module: TroupeModule, name: Name): NonNullable<TroupeModule[Name]> {
  const list: unknown = module[name] ?? [];
  if (!Array.isArray(list)) throw unusable(url, `its "${name}" is ${JSON.stringify(list) ?? typeof list}; expected an array`);
  const at = list.findIndex((item) => typeof item !== "object" || item === null);
  if (at >= 0) throw unusable(url, `"${name}" has ${String(list[at])} at ${at}; expected an object`);
  return list as unknown as NonNullable<TroupeModule[Name]>;
}

/** A module that ends the process while it is loaded would end its thread, and nobody would know why: that is refused like a throw. */
async function imported(url: string): Promise<TroupeModule> {
  const { exit } = process;
  process.exit = (code) => {
    throw new Error(`it calls process.exit(${code ?? ""}) while it is loaded`);
  };
  try {
    return (await import(url)) as TroupeModule;
  } catch (cause) {
    throw unusable(url, cause instanceof Error ? cause.message : String(cause), cause);
  } finally {
    process.exit = exit;
  }
}

function addOnce<Item>(items: Map<string, Item>, name: string, item: Item, what: string): void {
  if (items.has(name))
    throw new Fault("CONFIG_INVALID", `${what} ${JSON.stringify(name)} is defined twice. Give one of them another name.`);
  items.set(name, item);
}

const unusable = (url: string, why: string, cause?: unknown): Fault =>
  new Fault("CONFIG_INVALID", `the module ${url} cannot be used: ${why}`, { cause });
