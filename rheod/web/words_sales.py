"""Swedish for the page about sales."""

from __future__ import annotations

SALES = {
    "Sales that are not matched": "Försäljningar som inte är kopplade",
    "Messages of Tradera that could not be read": "Meddelanden från Tradera som inte gick att läsa",
    "Each may be a sale. Compare with your sales at Tradera, then put it away.": (
        "Vart och ett kan vara en försäljning. Jämför med dina försäljningar hos Tradera och lägg det sedan undan."
    ),
    "Its text has been erased.": "Texten är raderad.",
    "I have looked: put it away": "Jag har tittat: lägg undan",
    "The message is put away.": "Meddelandet är undanlagt.",
    "rheod did not make these ads, or does not know them any more. No webhook told your ERP of them: take the item out of stock there yourself, then pack and send as usual.": (
        "rheod har inte gjort de här annonserna, eller känner inte till dem längre. Ingen webhook har berättat om dem för ditt affärssystem:"
        " ta själv bort artikeln ur lagret där, packa och skicka sedan som vanligt."
    ),
    "All that are not matched": "Alla som inte är kopplade",
    "The last twelve months (kr)": "De senaste tolv månaderna (kr)",
    "The months as a table": "Månaderna som tabell",
    "Month": "Månad",
    "Orders": "Ordrar",
    "Sold for": "Sålt för",
    "Fee": "Avgift",
    "Left": "Kvar",
    "Sales of your own items; what is not matched is not counted.": (
        "Försäljning av dina egna artiklar; det som inte är kopplat räknas inte."
    ),
    "Order": "Order",
    "no title": "utan titel",
    "ad": "annons",
    "not matched": "inte kopplad",
    "Parcel": "Paket",
    "Mark it as shipped in My Tradera; rheod notices it.": "Märk den som skickad i Mitt Tradera; rheod märker det.",
    "paid": "betald",
    "not paid yet": "inte betald än",
    "shipped": "skickad",
    "to be told to Tradera": "meddelas Tradera",
    "not shipped": "inte skickad",
    "The buyer's data was erased {when}.": "Köparens uppgifter raderades {when}.",
    "Send to": "Skicka till",
    "Tradera gave no address: see My Tradera.": "Tradera gav ingen adress: se Mitt Tradera.",
    "Carrier": "Transportör",
    "Tracking number": "Kollinummer",
    "It is sent": "Den är skickad",
    "The parcel of order {n} is noted; Tradera is told.": "Paketet till order {n} är noterat; Tradera får veta det.",
    "No sales yet.": "Inga försäljningar än.",
    "Earlier orders": "Tidigare ordrar",
}
