import { composeMethod, type Term, termModules } from "@semiseg/method";
import { linear, RandomStream } from "@semiseg/nn";
import { scalar } from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { tinyNetwork } from "./tiny-network.js";

it("a module that two terms work on is trained once, under the first term's name", () => {
  const shared = linear({ inFeatures: 2, outFeatures: 2, random: new RandomStream(1) });
  const own = linear({ inFeatures: 1, outFeatures: 1, random: new RandomStream(2) });
  const term = (name: string, modules: Term["modules"]): Term => ({
    name,
    needs: {},
    weight: () => 1,
    loss: () => scalar(0),
    ...(modules ? { modules } : {}),
  });
  const terms = [term("a", { head: shared }), term("b", { again: shared, own }), term("c", undefined)];
  expect(termModules(terms).map(({ term: of, name }) => `${of}/${name}`)).toEqual(["a/head", "b/own"]);
  const method = composeMethod({ name: "test", student: tinyNetwork(), terms });
  const names = [...method.trainable.named.keys()].filter((name) => name.startsWith("terms."));
  expect(names).toEqual(["terms.a.head.weight", "terms.a.head.bias", "terms.b.own.weight", "terms.b.own.bias"]);
  expect(new Set(method.trainable.variables).size).toBe(method.trainable.variables.length);
});
