"""Swedish for the sentences that come from behind the pages: why something was refused, and what failed last.

A `{name}` stands for whatever is said there. What Tradera, a shop or the system says in its own words is not here.
"""

from __future__ import annotations

ITEMS = {
    "No item found with this external ID": "Det finns ingen artikel med detta externa id",
    "The item is archived and cannot be marked as sold": "Artikeln är arkiverad och kan inte märkas som såld",
    "The item is sold and cannot be delisted": "Artikeln är såld och kan inte tas ned",
    "The item is archived and cannot be delisted": "Artikeln är arkiverad och kan inte tas ned",
    "The item is {status}; its price can no longer be changed": "Artikeln är {status}; priset kan inte ändras längre",
    "Its last ad is in doubt: look for it, then say what you saw (rheod items settle)": (
        "Dess senaste annons är osäker: leta efter den och säg sedan vad du såg (rheod items settle)"
    ),
    "The item is at Tradera or on its way there and cannot become a container: delist it first (PATCH status not_listed)": (
        "Artikeln är hos Tradera eller på väg dit och kan inte bli en behållare: ta ned den först (PATCH status not_listed)"
    ),
    "The container holds {count} item(s) and cannot become an item itself": (
        "Behållaren innehåller {count} artiklar och kan inte själv bli en artikel"
    ),
    "A container has no price and is never listed; change the items in it": (
        "En behållare har inget pris och annonseras aldrig; ändra artiklarna i den"
    ),
    "The container still holds {count} item(s): delete them, or PUT them without this parent, first": (
        "Behållaren innehåller fortfarande {count} artiklar: ta bort dem, eller skicka dem med PUT utan denna behållare, först"
    ),
    "The ad in doubt is {ad}, not {other}: look for that number": (
        "Den osäkra annonsen är {ad}, inte {other}: leta efter det numret"
    ),
    "rheod is still asking Tradera about this ad and settles it by itself": (
        "rheod frågar fortfarande Tradera om annonsen och avgör det själv"
    ),
    "Nothing is in doubt about this item's ad": "Inget är osäkert med artikelns annons",
    "Give the number of the ad, as it stands in its address at Tradera": (
        "Ange annonsens nummer, som det står i dess adress hos Tradera"
    ),
    "Begin the search anew": "Börja om sökningen",
    "This account is not in the settings any more: its items can only be read": (
        "Kontot finns inte längre i inställningarna: dess artiklar kan bara läsas"
    ),
    "This account is not in the settings any more: its orders can only be read": (
        "Kontot finns inte längre i inställningarna: dess order kan bara läsas"
    ),
    "The owner looked: Tradera never showed this ad": "Du har sett efter: Tradera visade aldrig annonsen",
}

FAILURES = {
    "No Tradera category for domain {domain}: set tradera.categoryId on the item, or {same} under"
    " [tradera.defaults.category_id] in the settings": (
        "Ingen Tradera-kategori för varuslaget {domain}: sätt tradera.categoryId på artikeln, eller {same} under"
        " [tradera.defaults.category_id] i inställningarna"
    ),
    "The reserve price must be above the starting price": "Reservationspriset måste vara högre än utropspriset",
    "The Buy Now price must be above the starting price and the reserve price": (
        "Köp nu-priset måste vara högre än utropspriset och reservationspriset"
    ),
    "This takes {cost} Tradera calls, and of tradera.daily_calls = {limit} at most {most} may be used for it: raise"
    " tradera.daily_calls, or have fewer pictures (tradera.defaults.max_images)": (
        "Detta tar {cost} Tradera-anrop, och av tradera.daily_calls = {limit} får högst {most} användas till det: höj"
        " tradera.daily_calls, eller ha färre bilder (tradera.defaults.max_images)"
    ),
    "This takes {times} Tradera calls of the kind {operation}, and tradera.daily_calls_per_method.{same} allows"
    " {allowed}: raise it, or have fewer pictures": (
        "Detta tar {times} Tradera-anrop av sorten {operation}, och tradera.daily_calls_per_method.{same} tillåter"
        " {allowed}: höj det, eller ha färre bilder"
    ),
    "Tradera does not allow this account to {operation}: {error}": "Tradera låter inte kontot göra {operation}: {error}",
    "Tradera answers this item with an error again and again: {error}": (
        "Tradera svarar med fel på denna artikel gång på gång: {error}"
    ),
    "Tradera refuses the token of user {user}: {remedy}": "Tradera nekar användaren {user}: {remedy}",
    "Tradera says the call limit is spent (429 on {operation})": "Tradera säger att anropen är slut (429 på {operation})",
    "Tradera did not mark the order as shipped: {reason}": "Tradera märkte inte ordern som skickad: {reason}",
    "No picture could be used: {why}": "Ingen bild kunde användas: {why}",
    "the picture's address is refused: {problem}": "bildens adress nekas: {problem}",
    "{host} redirects the picture more than {n} times": "{host} skickar vidare bilden mer än {n} gånger",
    "{host} redirects the picture to an address that is refused: {problem}": (
        "{host} skickar vidare bilden till en adress som nekas: {problem}"
    ),
    "the picture at {host} is larger than {n} MiB": "bilden hos {host} är större än {n} MiB",
    "what {host} sent is not a picture (JPEG, PNG, WebP or GIF)": (
        "det som {host} skickade är ingen bild (JPEG, PNG, WebP eller GIF)"
    ),
    "{host} answered {status} for the picture": "{host} svarade {status} på bilden",
    "{host} sent the picture compressed, which was not asked for": "{host} skickade bilden komprimerad, obedd",
    "{host} did not deliver the picture within {n} s": "{host} levererade inte bilden inom {n} s",
    "{host} did not give the picture: {why}": "{host} gav inte bilden: {why}",
    "the picture's host {host} was refused: address not allowed": "bildens värd {host} nekades: otillåten adress",
    "the picture cannot be stored now: {why}": "bilden kan inte sparas nu: {why}",
    "the picture cannot be read: {why}": "bilden går inte att läsa: {why}",
    "the picture was not decoded within {n} s": "bilden avkodades inte inom {n} s",
    "the picture's decoder ended without an answer": "bildens avkodare slutade utan svar",
}

ACCOUNTS = {
    "No login has been begun: begin one, and sign in at Tradera's page first": (
        "Ingen inloggning är påbörjad: börja en, och logga in på Traderas sida först"
    ),
    "Tradera has given no token for this login: begin a new one": (
        "Tradera har inte släppt in denna inloggning: börja en ny"
    ),
    "Set tradera.public_key (from Tradera's Developer Center) and restart rheod first": (
        "Sätt tradera.public_key (från Traderas Developer Center) och starta om rheod först"
    ),
    "Set tradera.app_id and tradera.app_key and restart rheod first": (
        "Sätt tradera.app_id och tradera.app_key och starta om rheod först"
    ),
    "The settings have a token for this account, which comes first: take it out and restart rheod, then connect": (
        "Inställningarna har en token för kontot, och den går före: ta bort den och starta om rheod, anslut sedan"
    ),
    "Say whose login it is: the seller's number or alias at Tradera": (
        "Säg vems inloggning det är: säljarens nummer eller alias hos Tradera"
    ),
    "Tradera knows nobody with this alias": "Tradera känner ingen med detta alias",
    "Tradera's user {user} sells as account {account} already": "Traderas användare {user} säljer redan som kontot {account}",
    "The token that came back is another user's: begin a new login": (
        "Den token som kom tillbaka är en annan användares: börja en ny inloggning"
    ),
    "Tradera gives no token for user {user}: sign in at its page to the end, then try again. {error}": (
        "Tradera ger ingen token för användaren {user}: logga in på dess sida till slut och försök igen. {error}"
    ),
    "{error}; check tradera.app_id and tradera.app_key": "{error}; kontrollera tradera.app_id och tradera.app_key",
    "There is no such account": "Det finns inget sådant konto",
    "This account is not in the settings any more: its items can be read and nothing is published. Put it back under"
    " [[accounts]] and restart rheod": (
        "Kontot finns inte längre i inställningarna: dess artiklar kan läsas och inget publiceras. Lägg tillbaka det under"
        " [[accounts]] och starta om rheod"
    ),
    "Publishing waits for Tradera credentials: set {settings}": "Publiceringen väntar på Tradera-uppgifter: sätt {settings}",
    "Publishing waits for Tradera credentials: `rheod tradera connect --account {reference}`, or the page Tradera": (
        "Publiceringen väntar på Tradera-inloggning: `rheod tradera connect --account {reference}`, eller sidan Tradera"
    ),
}

INTEGRATION = {
    "No webhook endpoint found with this id": "Det finns ingen webhook-mottagare med detta id",
    "There are {n} webhook endpoints already: remove one": "Det finns redan {n} webhook-mottagare: ta bort en",
    "The webhook endpoint {id} sends these events to this URL already: change it, or rotate its secret if you need a"
    " new one": (
        "Webhook-mottagaren {id} skickar redan dessa händelser till denna URL: ändra den, eller byt dess hemlighet om du"
        " behöver en ny"
    ),
    "The webhook endpoint has no URL": "Webhook-mottagaren har ingen URL",
    "Must be self: a member account has no members of its own": "Måste vara self: ett medlemskonto har inga egna medlemmar",
    "No delivery found with this id": "Det finns ingen leverans med detta id",
    "No event found with this id": "Det finns ingen händelse med detta id",
    "No live API key has this id": "Ingen giltig API-nyckel har detta id",
    "rheod is not running: start it to send a test event": "rheod är inte igång: starta det för att skicka en testhändelse",
    "Give a day and a time": "Ange dag och tid",
    "before must be the number of a delivery": "before måste vara numret på en leverans",
}

SALES = {
    "No order found with this id": "Det finns ingen order med detta id",
    "The order's personal data has been erased; it takes no parcel any more": (
        "Orderns personuppgifter är raderade; den tar inget paket längre"
    ),
    "There is none with this number": "Det finns ingen med detta nummer",
    "No such message waits": "Det väntar inget sådant meddelande",
}

FORMS = {
    "This form is too old: go back, load the page again and send it anew": (
        "Formuläret är för gammalt: gå tillbaka, ladda om sidan och skicka det igen"
    ),
    "Send the form as application/x-www-form-urlencoded": "Skicka formuläret som application/x-www-form-urlencoded",
    "The form could not be read": "Formuläret gick inte att läsa",
    "This was sent by another site": "Detta skickades av en annan webbplats",
    "This was sent from another address: set server.public_url, or let the proxy pass on Host": (
        "Detta skickades från en annan adress: sätt server.public_url, eller låt proxyn skicka vidare Host"
    ),
    "rheod is stopping": "rheod håller på att stanna",
    "The store cannot write now: {error}": "Databasen kan inte skriva nu: {error}",
    "The store cannot be read now: {error}": "Databasen kan inte läsas nu: {error}",
    "Validation failed": "Något är fel ifyllt",
    "Required": "Måste fyllas i",
    "Is not valid": "Är inte giltigt",
    "Must not be empty": "Får inte vara tomt",
    "Must be a number": "Måste vara ett tal",
    "Must be a whole number": "Måste vara ett heltal",
    "Must be at most {n} characters": "Får ha högst {n} tecken",
    "Must have at least {n} characters": "Måste ha minst {n} tecken",
    "Must be more than {n}": "Måste vara mer än {n}",
    "Must be at least {n}": "Måste vara minst {n}",
    "Must be at most {n}": "Får vara högst {n}",
    "{problem} (webhooks.allow_http allows it)": "{problem} (webhooks.allow_http tillåter det)",
    "{problem} (webhooks.allow_private_networks allows it)": "{problem} (webhooks.allow_private_networks tillåter det)",
    "{problem} (webhooks.allow_http and webhooks.allow_private_networks allow it)": (
        "{problem} (webhooks.allow_http och webhooks.allow_private_networks tillåter det)"
    ),
    "Must be an HTTPS URL": "Måste vara en HTTPS-URL",
    "Must not contain spaces, control characters or backslashes": (
        "Får inte innehålla mellanslag, styrtecken eller omvända snedstreck"
    ),
    "Must not contain '@', '%', '[' or ']' before the path": "Får inte innehålla '@', '%', '[' eller ']' före sökvägen",
    "Must name a valid host": "Måste ha en giltig värd",
    "Must name a host, not an IP address": "Måste ha en värd, inte en IP-adress",
    "Must name a host of the public Internet": "Måste ha en värd på det öppna internet",
    "Must be at most {n} characters long": "Får vara högst {n} tecken lång",
    "Must use port {n}": "Måste använda port {n}",
    "Must name a port from 1 to 65535": "Måste ha en port från 1 till 65535",
}

REFUSALS = {**ITEMS, **FAILURES, **ACCOUNTS, **INTEGRATION, **SALES, **FORMS}
