/** The values of the settings as decisions read them (FS-7), and how a decision names the setting that it follows. */
import { type Setting, type SettingName, settings } from "../config/settings.ts";

type ValueOf<Name extends SettingName> = typeof settings[Name] extends infer Rule ? Name extends "failback" ? "controlled" | "automatic"
  : Name extends "degradedLast" | "rebalance" ? boolean
  : Name extends "exportMode" | "pathPolicy" ? string
  : Rule extends Setting ? number
  : never
  : never;

export type Policy = { readonly [Name in SettingName]: ValueOf<Name> };

export const settingNames = Object.keys(settings) as readonly SettingName[];

/** The settings that are given, by name, and the defaults of the others. Values are as the configuration has them: numbers, flags, words. */
export function policyOf(given: ReadonlyMap<string, unknown> = new Map()): Policy {
  const policy: Record<string, unknown> = {};
  for (const name of settingNames) {
    const rule: Setting = settings[name];
    const value = given.get(name) ?? rule.default;
    policy[name] = rule.kind === "flag" ? value === true || value === 1 : value;
  }
  return policy as Policy;
}

/** "restartsMax 3: most crashes are cured by a restart, ..." */
export function settingText(name: SettingName, policy: Policy): string {
  const rule: Setting = settings[name];
  const unit = rule.kind === "whole" && rule.unit !== undefined ? ` ${rule.unit}` : "";
  return `${name} ${policy[name]}${unit}: ${rule.why}`;
}
