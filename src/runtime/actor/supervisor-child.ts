import { whyNotId } from "../kernel/address.ts";
import type { Answer } from "../kernel/decision.ts";
import type { Child, ChildLook, Overseer } from "../supervision/child.ts";
import { DEFAULT_COMPONENT_LIMITS } from "../supervision/component.ts";
import { DeathWatch } from "../supervision/death-watch.ts";
import type { Escalation } from "../supervision/escalation.ts";
import { Supervisor } from "../supervision/supervisor.ts";
import type { ActorCore } from "./actor-core.ts";
import { ActorRef, type Addressee } from "./actor-ref.ts";
import { Cell } from "./cell.ts";
import type { ChildSpec, SupervisorSpec } from "./child-spec.ts";
import { ComponentChild } from "./component-child.ts";
import { refusal } from "./pending-ask.ts";

/** A supervisor that does nothing else, as a child: the inner nodes of the service's tree, and its root. */
export class SupervisorChild implements Child, Addressee {
  readonly name: string;
  readonly address: string;
  readonly type = "supervisor";
  readonly deaths: DeathWatch;
  readonly self: ActorRef = new ActorRef(this);
  readonly kinds: readonly string[] = [];
  readonly #core: ActorCore;
  readonly #spec: SupervisorSpec;
  readonly #overseer: Overseer;
  #children: Supervisor;
  #incarnation = 0;
  #failStart: ((cause: unknown) => void) | null = null;

  constructor(core: ActorCore, spec: SupervisorSpec, options: { readonly address: string; readonly overseer: Overseer }) {
    this.#core = core;
    this.#spec = spec;
    this.#overseer = options.overseer;
    this.name = spec.name;
    this.address = options.address;
    this.deaths = new DeathWatch(this.address);
    this.#children = this.#newSupervisor();
  }

  get children(): Supervisor {
    return this.#children;
  }

  async start(incarnation: number): Promise<void> {
    this.#incarnation = incarnation;
    this.#children = this.#newSupervisor();
    const failed = new Promise<never>((_, reject) => {
      this.#failStart = reject;
    });
    failed.catch(() => undefined);
    try {
      if (this.#spec.startsTogether === true) await Promise.race([Promise.all(this.#spec.children.map((spec) => this.add(spec))), failed]);
      else for (const spec of this.#spec.children) await Promise.race([this.add(spec), failed]);
    } finally {
      this.#failStart = null;
    }
  }

  /** Starts one more child, as the last. */
  async add(spec: ChildSpec): Promise<Addressee> {
    const child = childOf(this.#core, spec, this, this.#children);
    await this.#children.add(child, spec.mode ?? "permanent");
    return child;
  }

  cancelStart(byMs: number): void {
    void this.#children.stopAll(byMs);
  }

  async stop(byMs: number): Promise<boolean> {
    await this.#children.stopAll(byMs);
    return true;
  }

  gone(cause: unknown): void {
    this.deaths.gone(cause);
  }

  look(nowMs: number): ChildLook {
    return { mailbox: 0, refused: 0, oldestMessageMs: 0, doing: null, children: this.#children.tree(nowMs) };
  }

  tell(): boolean {
    return false;
  }
  async ask(): Promise<Answer<unknown>> {
    return refusal("not_found", `${this.address} is a supervisor, which takes no messages.`);
  }

  #newSupervisor(): Supervisor {
    const escalated = (escalation: Escalation): void => {
      if (supervisor === this.#children) this.#escalated(escalation);
    };
    const { ports } = this.#core;
    const supervisor = new Supervisor({
      supervision: this.#spec.supervision,
      ports,
      escalated,
      planted: (defect) => this.#core.planted(defect),
    });
    return supervisor;
  }

  #escalated(escalation: Escalation): void {
    if (this.#failStart !== null) return this.#failStart(escalation);
    this.#overseer.crashed(this, this.#incarnation, { address: this.address, doing: "(escalated)", cause: escalation }, false);
  }
}

function childOf(core: ActorCore, spec: ChildSpec, parent: SupervisorChild, overseer: Overseer): Child & Addressee {
  const { name } = spec;
  const why = whyNotId(name);
  if (why !== null) throw new Error(`"${name}" is no name of a child: ${why.replace("an id", "a name")}.`);
  const address = parent.address === "/" ? `/${name}` : `${parent.address}/${name}`;
  switch (spec.kind) {
    case "supervisor":
      return new SupervisorChild(core, spec, { address, overseer });
    case "component": {
      const limits = { ...DEFAULT_COMPONENT_LIMITS, ...spec.limits };
      const { deadlines, ports } = core;
      return new ComponentChild({ name, address, component: spec.component, limits, overseer, deadlines, ports });
    }
    default:
      return new Cell({ core, overseer, parent: parent.self, behavior: spec.behavior, name, args: spec.args, limits: spec.limits ?? {} });
  }
}
