"""Swedish for the pages about items: states, the timeline, the dry run and what the actions answer."""

from __future__ import annotations

LIST = {
    "External id or words of the title": "Externt id eller ord i titeln",
    "Status here": "Status här",
    "Status at Tradera": "Status hos Tradera",
    "any": "alla",
    "Search": "Sök",
    "changed": "ändrad",
    "Further items": "Fler artiklar",
    "Nothing found.": "Inget hittades.",
    "Nothing found so far; there is more to look through.": "Inget hittat hittills; det finns mer att leta igenom.",
    "Begin the search anew": "Börja om sökningen",
}

STATES = {
    "being removed": "tas bort",
    "ad is being ended": "annonsen avslutas",
    "container": "behållare",
    "waits to go out": "väntar på att gå ut",
    "live": "ute",
    "sold": "såld",
    "ended unsold": "slut utan köpare",
    "failed": "misslyckad",
    "never published": "aldrig publicerad",
    "draft": "utkast",
    "ready, not published": "klar, inte publicerad",
    "taken down": "nedtagen",
    "archived": "arkiverad",
}

ONE = {
    "The ad at Tradera": "Annonsen hos Tradera",
    "Ad": "Annons",
    "What you can do": "Vad du kan göra",
    "Publish": "Publicera",
    "Try again": "Försök igen",
    "Dry run": "Provkörning",
    "Say whether the ad is up": "Säg om annonsen är uppe",
    "The ad's number at Tradera": "Annonsens nummer hos Tradera",
    "It is up": "Den är uppe",
    "There is no such ad": "Det finns ingen sådan annons",
    "If there is none, the item may be published again. Be sure: an ad that is up after all would sell it twice.": (
        "Finns ingen får artikeln publiceras igen. Var säker: är annonsen uppe ändå säljs den två gånger."
    ),
    "Give the number of the ad, as it stands in its address at Tradera": (
        "Ange annonsens nummer, som det står i dess adress hos Tradera"
    ),
    "Take it down …": "Ta ner den …",
    "Take it down": "Ta ner den",
    "It is no longer for sale. A live ad is ended at Tradera; one with bids Tradera may refuse to end.": (
        "Den är inte längre till salu. En annons som är ute avslutas hos Tradera; med bud på kan Tradera neka."
    ),
    "Sold elsewhere …": "Såld på annat håll …",
    "It is marked as sold here, and a live ad is ended at Tradera.": (
        "Den märks som såld här, och en annons som är ute avslutas hos Tradera."
    ),
    "Mark as sold": "Märk som såld",
    "Pictures": "Bilder",
    "Picture {n}": "Bild {n}",
    "is being fetched": "hämtas",
    "About it": "Om den",
    "Inside": "Inuti",
    "Kind of goods": "Varuslag",
    "Description": "Beskrivning",
    "What happened": "Vad som har hänt",
    "milestone": "händelse",
    "answered": "svar",
    "no answer": "inget svar",
    "told": "levererad",
    "not told": "inte levererad",
    "Webhook": "Webhook",
    "try {n}": "försök {n}",
    "Only the latest are shown.": "Bara de senaste visas.",
}

WAITING = {
    "It is removed as soon as Tradera has ended its ad.": "Den tas bort så snart Tradera har avslutat annonsen.",
    "Nobody knows whether its ad {ad} is up: Tradera never said. Look for that number at Tradera, then say below what you saw.": (
        "Ingen vet om annonsen {ad} är uppe: Tradera har aldrig svarat. Leta efter det numret hos Tradera och säg sedan nedan vad du såg."
    ),
    "Its ad is being ended.": "Annonsen avslutas.",
    "It is being sent to Tradera.": "Den skickas till Tradera.",
    "Tradera is working on it; rheod asks {when}.": "Tradera arbetar med den; rheod frågar {when}.",
    "It waits for its pictures; still being fetched: {n}.": "Den väntar på sina bilder; hämtas fortfarande: {n}.",
    "It goes out now.": "Den går ut nu.",
    "Place {n} in the queue; expected to go out {when}.": "Plats {n} i kön; väntas gå ut {when}.",
}

STORY = {
    "Taken in": "Mottagen",
    "Pictures ready": "Bilderna klara",
    "The ad is live": "Annonsen är ute",
    "The ad ended without a sale": "Annonsen slutade utan köpare",
    "Publishing failed": "Publiceringen misslyckades",
    "Sold": "Såld",
    "Changed": "Ändrad",
    "A picture could not be fetched": "En bild gick inte att hämta",
    "New price": "Nytt pris",
    "Taken down": "Nedtagen",
    "You settled a doubt": "Du avgjorde en tvekan",
    "Removed": "Borttagen",
    "Marked as shipped": "Märkt som skickad",
    "Could not be marked as shipped": "Kunde inte märkas som skickad",
    "Tradera: make the ad, unseen yet": "Tradera: skapa annonsen, ännu osynlig",
    "Tradera: send a picture": "Tradera: skicka en bild",
    "Tradera: make the ad visible": "Tradera: gör annonsen synlig",
    "Tradera: ask what became of it": "Tradera: fråga hur det gick",
    "Tradera: set the price": "Tradera: sätt priset",
    "Tradera: end the ad": "Tradera: avsluta annonsen",
    "Tradera: look at the ad": "Tradera: titta på annonsen",
}

DRY_RUN = {
    "It would be published.": "Den skulle publiceras.",
    "It would not be published.": "Den skulle inte publiceras.",
    "Nobody was called and nothing has changed.": "Ingen har anropats och inget har ändrats.",
    "Tradera calls": "Tradera-anrop",
    "expected to go out": "väntas gå ut",
    "Checks": "Kontroller",
    "fine": "bra",
    "stops it": "stoppar den",
    "The requests, in order": "Anropen, i ordning",
    "Your Tradera keys go along in headers that are not shown.": "Dina Tradera-nycklar följer med i huvuden som inte visas.",
    "Back to the item": "Tillbaka till artikeln",
    "{reason}": "{reason}",
    "It starts at the time that its `startAt` says": "Den startar den tid som dess `startAt` säger",
    "Tradera has asked for a pause: nothing is published until it is over": (
        "Tradera har bett om en paus: inget publiceras förrän den är över"
    ),
    "{used} of {limit} Tradera calls of the last 24 hours are used: it waits for its turn": (
        "{used} av {limit} Tradera-anrop de senaste 24 timmarna är använda: den väntar på sin tur"
    ),
    "There are calls enough: {used} of {limit} are used": "Anropen räcker: {used} av {limit} är använda",
    "A container is never listed": "En behållare annonseras aldrig",
    "The item is being deleted": "Artikeln håller på att tas bort",
    "The item is sold and cannot be published again": "Artikeln är såld och kan inte publiceras igen",
    "The item is archived and cannot be published": "Artikeln är arkiverad och kan inte publiceras",
    "Its last ad is in doubt: look for it at Tradera, then say what you saw": (
        "Dess senaste annons är osäker: leta efter den hos Tradera och säg sedan vad du såg"
    ),
    "It has an ad already ({ad}): a second one would sell it twice": (
        "Den har redan en annons ({ad}): en till skulle sälja den två gånger"
    ),
    "It waits in the queue already": "Den väntar redan i kön",
    "The item may be published": "Artikeln får publiceras",
    "Title, category, price and shipping are as Tradera takes them": (
        "Titel, kategori, pris och frakt är som Tradera tar dem"
    ),
    "Pictures still being fetched: {n}": "Bilder som fortfarande hämtas: {n}",
    "Pictures that could not be fetched: {n}. The ad goes out without them": (
        "Bilder som inte gick att hämta: {n}. Annonsen går ut utan dem"
    ),
    "Pictures that go along: {n}": "Bilder som följer med: {n}",
}

TOLD = {
    "Queued for publishing": "Köad för publicering",
    "Already queued: waiting for its pictures": "Redan köad: väntar på sina bilder",
    "Item delisted.": "Artikeln är nedtagen.",
    "Item delisted; its ad is being ended in the background.": "Artikeln är nedtagen; annonsen avslutas i bakgrunden.",
    "Item marked as sold.": "Artikeln är märkt som såld.",
    "Item marked as sold; its ad is being ended in the background.": (
        "Artikeln är märkt som såld; annonsen avslutas i bakgrunden."
    ),
    "Noted: there is no ad. The item can be published again.": (
        "Noterat: det finns ingen annons. Artikeln kan publiceras igen."
    ),
}

ITEMS = {**LIST, **STATES, **ONE, **WAITING, **STORY, **DRY_RUN, **TOLD}
