/** Words that carry no topic, as they are in English talk; with the halves that an apostrophe leaves. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about above actually after again against ago ah all almost already alright also always am an and another any anyone anything anyway are aren
  around as ask at away back be because been before being believe below better between big bit both but by bye call came can cannot come comes
  could couldn course d day days definitely did didn do does doesn doing don done down each else enough er etc even ever every everyone everything
  exactly far few fine first for from get gets getting give go goes going gonna good got gotta great guess had hadn happen has hasn have haven
  having he hello help her here hers herself hey hi him himself his hm hmm hope how however huh i if in indeed into is isn it its itself just kind
  know knows last later least let lets like little ll long look looking lot m made make makes man many may maybe me mean mhm might mine mm more
  morning most much must mustn my myself name need needs never new next nice no none nor not nothing now o of off oh ok okay on once one ones only
  or other our ours ourselves out over own people perhaps please pretty probably put quite rather re really right s said same saw say says see seem
  seems sent she should shouldn since sir so some someone something sometimes soon sorry sort still stuff such sure t take talk tell than thank
  thanks that the their theirs them themselves then there these they thing things think this those though thought three through time to today too
  try two uh um under until up upon us use used ve very want wants was wasn way we well went were weren what whatever when where whether which
  while who whole whom whose why will wish with without won wonder work would wouldn yeah year years yep yes yet you your yours yourself
  yourselves`.split(/\s+/),
);

/** Begin a sentence and say nothing. */
export const OPENERS: ReadonlySet<string> = new Set(
  `ah actually alright and anyway basically but er hey hi hello hm hmm huh mhm mm no nope now oh ok okay right see so sure thanks uh uhm um well wow
  yeah yep yes`.split(/\s+/),
);

/** Nowhere in a sentence do they say anything. */
export const FILLERS: ReadonlySet<string> = new Set(`ah er erm eh hm hmm huh mhm mm uh uhm um`.split(/\s+/));
