"""Swedish for every English text of the pages. A test holds this and the templates together."""

from __future__ import annotations

from rheod.web.words_integration import DELIVERIES, INTEGRATION
from rheod.web.words_items import ITEMS
from rheod.web.words_refusals import REFUSALS
from rheod.web.words_sales import SALES
from rheod.web.words_tradera import TRADERA

MONTHS_SV = ("jan", "feb", "mars", "apr", "maj", "juni", "juli", "aug", "sep", "okt", "nov", "dec")

FRAME = {
    "Skip to content": "Hoppa till innehållet",
    "Pages": "Sidor",
    "Today": "Idag",
    "Items": "Artiklar",
    "Sales": "Försäljning",
    "Integration": "Integration",
    "Account": "Konto",
    "own": "eget",
    "Show": "Visa",
    "Sign out": "Logga ut",
    "Copy it now: it is not shown again.": "Kopiera den nu: den visas inte igen.",
    "Not possible": "Går inte",
    "To the first page": "Till första sidan",
    "Something went wrong": "Något gick fel",
    "rheod has made a mistake that nobody foresaw.": "rheod har gjort ett fel som ingen hade räknat med.",
    "What you sent may be done or not: look before you send it again.": (
        "Det du skickade kan vara gjort eller inte: se efter innan du skickar det igen."
    ),
    "The log tells more; look there for this request:": "Loggen säger mer; sök där efter den här begäran:",
    "never": "aldrig",
    "just now": "nyss",
    "in {span}": "om {span}",
    "{span} ago": "för {span} sedan",
    "{n} days": "{n} dagar",
}

SIGN_IN = {
    "Sign in": "Logga in",
    "Too many wrong tries. Wait {n} seconds.": "För många felaktiga försök. Vänta {n} sekunder.",
    "That is not the password or the admin token.": "Det är varken lösenordet eller admin-token.",
    "Password or admin token": "Lösenord eller admin-token",
    "Admin token": "Admin-token",
    "No token at hand? On the server, run:": "Ingen token till hands? Kör på servern:",
    "Signed out.": "Utloggad.",
    "The password is set. Sign in with it.": "Lösenordet är satt. Logga in med det.",
}

TODAY = {
    "All is well.": "Allt är bra.",
    "All works; something waits for you.": "Allt fungerar; något väntar på dig.",
    "Something does not work and needs you.": "Något fungerar inte och behöver dig.",
    "Needs you": "Behöver dig",
    "does not work": "fungerar inte",
    "waits": "väntar",
    "Tradera calls left": "Tradera-anrop kvar",
    "of {n} in 24 hours": "av {n} på 24 timmar",
    "wait to be published": "väntar på publicering",
    "sold today": "sålda idag",
    "items ready or listed": "artiklar klara eller ute",
    "Goes out next": "Går ut härnäst",
    "expected": "väntas",
    "and {n} more": "och {n} till",
    "Nothing waits.": "Inget väntar.",
    "Sold in the last {n} days (kr)": "Sålt de senaste {n} dagarna (kr)",
    "Calls that come free, hour by hour": "Anrop som blir lediga, timme för timme",
    "Tradera counts the calls of the last 24 hours: each comes back a day after it was made.": (
        "Tradera räknar anropen de senaste 24 timmarna: vart och ett kommer tillbaka ett dygn efter att det gjordes."
    ),
    "Heard from Tradera": "Hört från Tradera",
    "Push queue": "Push-kö",
    "last answer": "senaste svar",
    "not set: sales are found by asking": "inte inställd: försäljningar hittas genom att fråga",
    "Last push message": "Senaste push-meddelande",
    "Pause": "Paus",
    "until": "till",
}

FINDINGS = {
    "The pictures of items that are for sale come to {mib} MiB: new pictures are not fetched": (
        "Bilderna av det som är till salu tar {mib} MiB: inga nya bilder hämtas"
    ),
    "Raise storage.images_max_bytes and restart rheod, or delete items that are not for sale any more": (
        "Höj storage.images_max_bytes och starta om rheod, eller ta bort artiklar som inte längre är till salu"
    ),
    "Tradera refuses the token of account {account}: nothing of it is published or asked for": (
        "Tradera nekar kontot {account}: inget av det publiceras eller efterfrågas"
    ),
    "Sign in at Tradera again: `rheod tradera connect`, or the page Tradera": (
        "Logga in hos Tradera igen: `rheod tradera connect`, eller sidan Tradera"
    ),
    "The Tradera token of account {account} ends in {days} days": (
        "Kontot {account}: Tradera-inloggningen går ut om {days} dagar"
    ),
    "Sign in at Tradera again before that: `rheod tradera connect`, or the page Tradera": (
        "Logga in hos Tradera igen innan dess: `rheod tradera connect`, eller sidan Tradera"
    ),
    "The webhook endpoint at {host} is switched off after its failures; {waiting} events are kept for it": (
        "Webhook-mottagaren {host} är avstängd efter sina fel; {waiting} händelser sparas åt den"
    ),
    "Mend the receiver, then `rheod webhooks enable {id}`: the events go out in order": (
        "Laga mottagaren, kör sedan `rheod webhooks enable {id}`: händelserna skickas i ordning"
    ),
    "The webhook endpoint at {host} fails; {waiting} events wait for it": (
        "Webhook-mottagaren {host} svarar fel; {waiting} händelser väntar på den"
    ),
    "See why: `rheod webhooks deliveries`, or the page Integration": (
        "Se varför: `rheod webhooks deliveries`, eller sidan Integration"
    ),
    "Tradera's push queue has not answered for {minutes} minutes: sales are found later, by asking": (
        "Traderas push-kö har inte svarat på {minutes} minuter: försäljningar hittas senare, genom att fråga"
    ),
    "Check push.queue_url, the AWS keys and the network; the log says what the queue answers": (
        "Kontrollera push.queue_url, AWS-nycklarna och nätet; loggen säger vad kön svarar"
    ),
    "{n} messages of Tradera could not be understood and are kept: one may be a sale": (
        "{n} meddelanden från Tradera gick inte att förstå och är sparade: ett kan vara en försäljning"
    ),
    "See them: `rheod orders list --unmatched`, and compare with your sales at Tradera": (
        "Se dem: `rheod orders list --unmatched`, och jämför med dina försäljningar hos Tradera"
    ),
    "{n} sales are of something that rheod does not know": "{n} försäljningar gäller något som rheod inte känner till",
    "See them on the page Sales, or with `rheod orders list --unmatched`": (
        "Se dem på sidan Försäljning, eller med `rheod orders list --unmatched`"
    ),
    "Nothing is published: {settings} not set": "Inget publiceras: {settings} är inte inställt",
    "Set them in the settings file and restart rheod, or connect on the page Tradera": (
        "Sätt dem i inställningsfilen och starta om rheod, eller anslut på sidan Tradera"
    ),
    "{n} ads are in doubt: Tradera has not said whether they are up ({items})": (
        "{n} annonser är osäkra: Tradera har inte sagt om de är uppe ({items})"
    ),
    "Look for them at Tradera, then `rheod items settle ID --live AD` or `--not-live`": (
        "Leta efter dem hos Tradera, kör sedan `rheod items settle ID --live AD` eller `--not-live`"
    ),
    "Tradera's calls of 24 hours are used up while {n} items wait to be published": (
        "Tradera-anropen för 24 timmar är slut medan {n} artiklar väntar på publicering"
    ),
    "They go out as calls come free. If it happens often, ask Tradera for a higher limit and set tradera.daily_calls": (
        "De går ut när anrop blir lediga. Händer det ofta, be Tradera om en högre gräns och sätt tradera.daily_calls"
    ),
    "No Tradera category is set for: {domains}": "Ingen Tradera-kategori är satt för: {domains}",
    "Set it under [tradera.defaults.category_id], or send tradera.categoryId with the item": (
        "Sätt den under [tradera.defaults.category_id], eller skicka tradera.categoryId med artikeln"
    ),
    "After the restore Tradera does not tell which ads of account {account} are rheod's: nothing of it is published": (
        "Efter återställningen säger Tradera inte vilka annonser på kontot {account} som är rheods: inget publiceras där"
    ),
    "Compare your ads at Tradera with `rheod items list`, then `rheod restore --compared`": (
        "Jämför dina annonser hos Tradera med `rheod items list`, kör sedan `rheod restore --compared`"
    ),
    (
        "After the restore rheod first looks at what account {account} has at Tradera: nothing of it is published"
        " until then"
    ): (
        "Efter återställningen ser rheod först efter vad kontot {account} har hos Tradera: inget publiceras där innan dess"
    ),
    "Wait: it goes on by itself, after tradera.takeover_wait_s (an hour) at the latest if calls are left": (
        "Vänta: det går vidare av sig självt, senast efter tradera.takeover_wait_s (en timme) om det finns anrop kvar"
    ),
    "{n} ads at Tradera are of items that the restored backup does not know: {ads}": (
        "{n} annonser hos Tradera gäller artiklar som den återställda kopian inte känner till: {ads}"
    ),
    "End them in My Tradera before the same things are sent again, or they are up twice": (
        "Avsluta dem i Mitt Tradera innan samma saker skickas igen, annars ligger de uppe två gånger"
    ),
    "There is no fresh backup": "Det finns ingen färsk säkerhetskopia",
    "Run `rheod backup DEST`, and let the timer do it daily: `systemctl enable --now rheod-backup.timer`": (
        "Kör `rheod backup DEST`, och låt timern göra det dagligen: `systemctl enable --now rheod-backup.timer`"
    ),
    "The disk of the data folder has only {mib} MiB left": "Datamappens disk har bara {mib} MiB kvar",
    "Make room: with a full disk rheod answers 503 and takes nothing in": (
        "Gör plats: med full disk svarar rheod 503 och tar inte emot något"
    ),
    "The database's write-ahead log has grown to {mib} MiB": "Databasens skrivlogg har växt till {mib} MiB",
    "End whatever has been reading the database for long, such as a copy that hangs": (
        "Avsluta det som har läst databasen länge, till exempel en kopiering som hänger"
    ),
}

SWEDISH: dict[str, str] = {
    **FRAME,
    **SIGN_IN,
    **TODAY,
    **FINDINGS,
    **ITEMS,
    **SALES,
    **INTEGRATION,
    **DELIVERIES,
    **TRADERA,
    **REFUSALS,
}
